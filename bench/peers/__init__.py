"""What the gateway is measured beside; bench/README.md tells what a peer is."""
