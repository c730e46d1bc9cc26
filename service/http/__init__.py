"""HTTP around the routes: bytes and clients, what every request passes, its body, its problems."""
