import Wire

/// How the events go out (section 4, `/metrics`).
public struct StreamFigures: Sendable, Equatable {
    /// Events and greetings; direct replies do not count.
    public var messagesSent = 0
    public var bytesSent = 0
    public var connectedClients = 0
    /// From an event to its last socket, smoothed.
    public var broadcastLatencyMs = 0.0
    /// Events that the slowest client has not got yet.
    public var queueSize = 0
    /// Events that clients did not get, as they were too far behind.
    public var droppedEvents = 0

    public init() {}

    /// After a broadcast that took so long.
    public mutating func broadcast(took duration: Duration) { broadcastLatencyMs = 0.9 * broadcastLatencyMs + 0.1 * duration.milliseconds }

    public var json: JSON {
        [
            "messages_sent": .integer(Int64(messagesSent)), "bytes_sent": .integer(Int64(bytesSent)),
            "connected_clients": .integer(Int64(connectedClients)),
            "broadcast_latency_ms": .double((broadcastLatencyMs * 1000).rounded() / 1000),
        ]
    }
}
