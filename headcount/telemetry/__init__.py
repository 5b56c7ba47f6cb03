"""What worker and API tell Prometheus, on ports of their own."""
