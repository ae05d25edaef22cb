"""Agreement: what a network says of a sample should not depend on the view, the noise or the moment."""
