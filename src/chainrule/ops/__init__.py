"""The operations: one record each. The modules hold nothing but records and what their rules share."""
