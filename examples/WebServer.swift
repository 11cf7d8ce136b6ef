// A web server: a route that answers JSON, a WebSocket that sends every message back, on one thread.
// usage: WebServer [PORT]
import Glibc
import HTTP
import Reactor
import Web
import Wire

@main actor WebServer {
    private nonisolated let reactor: Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private var server: HTTPServer?

    init() throws { reactor = try Reactor(name: "waldo-reactor") }

    /// Everything of the server lives on the reactor's thread, and so does this actor.
    private func listen(on port: UInt16) throws -> SocketAddress {
        let router = Router()
        router.get("/json", "A small value") { _ in .json(["hello": "world", "number": 3]) }
        router.add(
            Route(
                .get, "/ws", "Every message again",
                handler: .webSocket(WebSocketOptions()) { session in
                    session.onMessage = { [unowned session] kind, message in session.send(kind, message) }
                }))
        var options = HTTPServerOptions()
        options.connectionsPerAddress = 20_000
        let server = HTTPServer(handler: router, options: options, reactor: reactor)
        self.server = server
        return try server.listen(SocketAddress(IPAddress(127, 0, 0, 1), port))
    }

    func run(on port: UInt16) async throws {
        print("http://\(try listen(on: port))/json")
        while true { try await Task.sleep(for: .seconds(3600)) }
    }

    static func main() async throws {
        signal(SIGPIPE, SIG_IGN)
        try await WebServer().run(on: CommandLine.arguments.dropFirst().first.flatMap { UInt16($0) } ?? 8000)
    }
}
