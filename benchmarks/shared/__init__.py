"""What one limit for many processes costs, beside the libraries that offer one."""
