"""What ./dev bench is made of; see bench/README.md."""
