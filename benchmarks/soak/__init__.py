"""The soak: a server under churn for as long as one likes, whose tables and memory must stay as they are."""
