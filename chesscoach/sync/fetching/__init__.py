"""What a source says about an account: requests, their responses, the facts in them."""
