"""What owners promise and replicas owe: the contract language."""
