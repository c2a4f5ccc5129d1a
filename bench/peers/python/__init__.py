"""Python servers that the gateway is measured beside: Strawberry as one would use it who wants it fast, and what uvicorn takes for itself."""
