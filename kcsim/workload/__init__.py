"""What is computed: convolution and fully connected layers, and networks of them."""
