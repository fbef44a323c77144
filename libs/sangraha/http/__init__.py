"""What every service's HTTP face shares: routes, problems, ids, health and headers."""
