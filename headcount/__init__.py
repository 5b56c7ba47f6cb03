"""The composition root: settings, wiring of worker and API, telemetry, command line and operations."""
