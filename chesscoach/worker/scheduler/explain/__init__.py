"""Why a slot was worked, or was not."""
