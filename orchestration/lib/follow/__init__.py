"""Attribution within seconds: landed files as they come, into a view that readers may open (docs/decisions/0033)."""
