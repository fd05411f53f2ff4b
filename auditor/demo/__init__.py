"""The embedded shop of `audit demo`: an owner, its copies in three other places, and drift planted in them."""
