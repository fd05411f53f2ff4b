"""Small worlds that tests compare: readers over rows in memory, and a naive oracle."""
