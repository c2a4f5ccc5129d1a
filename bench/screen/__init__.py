"""The agent's screen: the schema, the documents and the data that every server in the bench is given."""
