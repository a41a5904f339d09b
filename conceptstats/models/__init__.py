"""What all models of torch need: a device, a precision, weights that are there, small stand-ins.

Only `synth` and `eval` import it: the rest of the core knows no torch.
"""
