import HTTP
import Wire

/// What a connection holds while requests are under way. An idle connection holds none: the server keeps some for the next that wakes.
final class HTTPServerExchange {
    var parser: HTTPRequestParser
    var request: HTTPRequest?
    /// When its head was there.
    var began = Instant.zero
    /// Whether the connection stays open after this request.
    var keepsAlive = true
    /// The answer of a request that was refused by its head.
    var early: HTTPResponse?
    /// Bytes of the request's body so far.
    var received = 0
    /// Requests that were begun since others had their turn.
    var requestsInTurn = 0
    /// Pipelined bytes behind a request that is being answered.
    var waiting: [UInt8] = []
    /// Responses of one round, sent together.
    var output: [UInt8] = []

    init(limits: HTTPLimits) { parser = HTTPRequestParser(limits: limits) }

    /// Nothing of one connection is left in it that another might see.
    var isSpent: Bool { request == nil && early == nil && waiting.isEmpty && output.isEmpty && parser.isIdle }
}
