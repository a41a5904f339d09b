"""Visual question answering: published metrics, and examples with PMI."""
