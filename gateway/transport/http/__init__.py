"""GraphQL over HTTP and over Server-Sent Events: `negotiation` and `request` → `endpoint` → `answers`, or `events` for a stream."""

from gateway.transport.http.answers import encode
from gateway.transport.http.endpoint import GraphQLEndpoint, Wiring
from gateway.transport.http.request import read_body

__all__ = ["GraphQLEndpoint", "Wiring", "encode", "read_body"]
