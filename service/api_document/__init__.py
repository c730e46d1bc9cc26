"""The API's document as it is committed, and what would break its clients."""
