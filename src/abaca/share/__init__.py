"""Use cases behind the API: check, count quota, record, enqueue."""
