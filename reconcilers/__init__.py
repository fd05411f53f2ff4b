"""How an owner and its replicas are compared."""
