"""A simulated outside world on one machine: SSH hosts, registry, databases, RunPod, alerts and a private CA."""
