"""Speed and memory, whole processes side by side in one run with a rival or a floor: `./run bench`."""
