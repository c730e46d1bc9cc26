"""What the service writes about itself: its OpenAPI document, the pages over it, its settings."""
