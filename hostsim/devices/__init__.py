"""Register-level models of devices: what a driver sees, and a complaint wherever it breaks the device's rules."""
