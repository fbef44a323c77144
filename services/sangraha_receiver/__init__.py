"""Takes writes in over HTTP and puts each on the durable write queue."""
