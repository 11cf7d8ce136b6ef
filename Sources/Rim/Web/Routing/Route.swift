import HTTP
import Wire

/// One operation of a server: what is asked by it, what it answers, and how that is described in `/openapi.json`.
public struct Route {
    public enum Handler {
        /// Answers at once; what it throws is an answer, too, see `Router.get`.
        case value((HTTPRequest) throws -> HTTPResponse)
        /// Answers later, or in pieces.
        case later((HTTPRequest, HTTPResponder) -> Void)
        /// Becomes a WebSocket; the handlers of the session are to be set in the call.
        case webSocket(WebSocketOptions, (WebSocketSession) -> Void)
    }

    public var method: HTTPMethod
    /// `/robots/{id}/camera`; a last `{rest*}` takes all that follows.
    public var path: String
    /// One line for the reader of the document.
    public var summary: String
    /// Groups operations in the document.
    public var tag: String?
    /// Those of the path that are not described here are described as texts.
    public var parameters: [Parameter] = []
    /// The schema of the body, JSON Schema 2020-12.
    public var body: JSON?
    /// What kinds of body it takes, comma-separated; said in answers to OPTIONS (`Accept-Post`).
    public var bodyType: String?
    public var answers: [Answer] = []
    /// Bytes of body that are taken; nil: the server's limit.
    public var bodyLimit: Int?
    /// Whether a request must name its user.
    public var needsUser = false
    /// Beside the limits for all.
    public var rate: RateLimit?
    /// Left out of the document.
    public var isHidden = false
    public var handler: Handler

    /// For the document: what is not right about a parameter the handler says.
    public struct Parameter {
        public enum Place: String { case path, query, header }
        public var name: String
        public var place: Place
        public var text: String
        public var isRequired: Bool
        public var schema: JSON

        public init(_ name: String, _ place: Place, _ text: String, isRequired: Bool = false, schema: JSON = ["type": "string"]) {
            (self.name, self.place, self.text, self.schema) = (name, place, text, schema)
            self.isRequired = isRequired || place == .path
        }
    }

    /// For the document.
    public struct Answer {
        public var status: HTTPStatus
        public var text: String
        public var type: String
        public var schema: JSON?

        public init(_ status: HTTPStatus, _ text: String, type: String = "application/json", schema: JSON? = nil) {
            (self.status, self.text, self.type, self.schema) = (status, text, type, schema)
        }
    }

    public init(_ method: HTTPMethod, _ path: String, _ summary: String, handler: Handler) {
        (self.method, self.path, self.summary, self.handler) = (method, path, summary, handler)
    }
}

/// The routes as a tree of path segments: names before `{parameters}` before `{rest*}`.
struct RouteTree {
    private var root = Node()

    private final class Node {
        var names: [String: Node] = [:]
        var parameter: (name: String, node: Node)?
        var rest: (name: String, node: Node)?
        var routes: [HTTPMethod: Entry] = [:]
    }

    /// Held by reference: a route is large, and looked up for every request.
    final class Entry {
        let route: Route
        /// Among all.
        let number: Int

        init(_ route: Route, _ number: Int) { (self.route, self.number) = (route, number) }
    }

    /// In the order in which they were added.
    private(set) var entries: [Entry] = []

    /// A second route of one path and method is a programming error.
    mutating func add(_ route: Route) {
        var node = root
        for segment in route.path.split(separator: "/", omittingEmptySubsequences: true).map(String.init) {
            if segment.hasPrefix("{"), segment.hasSuffix("*}") {
                let name = String(segment.dropFirst().dropLast(2))
                let next = node.rest?.node ?? Node()
                node.rest = (name, next)
                node = next
            } else if segment.hasPrefix("{"), segment.hasSuffix("}") {
                let name = String(segment.dropFirst().dropLast())
                precondition(
                    node.parameter.map { $0.name == name } ?? true,
                    "\(route.path): this place is {\(node.parameter!.name)} in another route")
                let next = node.parameter?.node ?? Node()
                node.parameter = (name, next)
                node = next
            } else {
                let next = node.names[segment] ?? Node()
                node.names[segment] = next
                node = next
            }
        }
        precondition(node.routes[route.method] == nil, "two routes for \(route.method) \(route.path)")
        let entry = Entry(route, entries.count)
        entries.append(entry)
        node.routes[route.method] = entry
    }

    struct Match {
        var routes: [HTTPMethod: Entry]
        var parameters: [String: String]
    }

    func find(_ segments: [String]) -> Match? { Self.find(segments[...], root, [:]) }

    private static func find(_ segments: ArraySlice<String>, _ node: Node, _ parameters: [String: String]) -> Match? {
        guard let segment = segments.first else {
            return node.routes.isEmpty ? restMatch(segments, node, parameters) : Match(routes: node.routes, parameters: parameters)
        }
        if let next = node.names[segment], let found = find(segments.dropFirst(), next, parameters) { return found }
        if let (name, next) = node.parameter, !segment.isEmpty {
            var inner = parameters
            inner[name] = segment
            if let found = find(segments.dropFirst(), next, inner) { return found }
        }
        return restMatch(segments, node, parameters)
    }

    private static func restMatch(_ segments: ArraySlice<String>, _ node: Node, _ parameters: [String: String]) -> Match? {
        guard let (name, next) = node.rest, !next.routes.isEmpty else { return nil }
        var inner = parameters
        inner[name] = segments.joined(separator: "/")
        return Match(routes: next.routes, parameters: inner)
    }
}
