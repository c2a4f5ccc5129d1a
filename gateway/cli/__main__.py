"""`python -m gateway.cli`: the command line without its installed name."""

from gateway.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
