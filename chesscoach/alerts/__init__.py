"""What operators are alerted to, once per cause until it clears, and pings to a monitor."""
