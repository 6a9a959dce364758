"""How long a call may go on: scopes, deadlines, alarms, and waiting that ends with them."""
