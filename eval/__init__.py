"""Models and their accuracy against statistics: training, predictions, correlation, figures."""
