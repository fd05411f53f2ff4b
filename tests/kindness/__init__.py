"""The auditor beside busy production stores: what it asks of them, and what it does when they break off."""
