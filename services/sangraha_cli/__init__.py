"""The sangraha command: composes the services, one by one or all in one process."""
