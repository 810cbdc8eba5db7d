"""The example appliance: readings, routes and pages. Copy it, change it, make it yours."""
