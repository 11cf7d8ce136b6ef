import HTTP
import Wire

/// What servers count, on the reactor's thread; several servers of one program may share one.
///
/// Bytes sent and messages dropped are added up twice a second and at the end of each connection, all else as it happens.
public final class HTTPServerMetrics {
    let connections: Gauge
    let accepted: Counter
    let refused: Counter
    let failed: Counter
    let received: Counter
    let sent: Counter
    let webSockets: Gauge
    let dropped: Counter
    /// From a request's head to its answer's end; streams and WebSockets, whose end is the reader's, do not count here.
    let durations: Histogram
    private let requests: MetricFamily<Counter>
    /// By method and class of status, each fetched when it first counts.
    private var members = [Counter?](repeating: nil, count: (methods.count + 2) * classes.count)

    private static let methods: [HTTPMethod] = [.get, .post, .put, .delete, .patch, .head, .options]
    private static let classes = ["gone", "1xx", "2xx", "3xx", "4xx", "5xx"]

    public init(_ registry: MetricsRegistry) {
        connections = registry.gauge("waldo_http_connections", "Connections that are open")
        accepted = registry.counter("waldo_http_connections_accepted_total", "Connections taken")
        refused = registry.counter("waldo_http_connections_refused_total", "Connections closed at once for want of room")
        failed = registry.counter("waldo_http_connections_failed_total", "Connections on which TLS could not be begun, or failed")
        requests = registry.counters(
            "waldo_http_requests_total", "Requests by method and class of status; gone: whoever asked left before the answer",
            labels: ["method", "status"])
        durations = registry.histogram("waldo_http_request_duration_seconds", "Time from a request's head to the end of its answer")
        received = registry.counter("waldo_http_received_bytes_total", "Bytes received, heads and frames included, TLS taken off")
        sent = registry.counter("waldo_http_sent_bytes_total", "Bytes that the kernel took, heads, frames and TLS included")
        webSockets = registry.gauge("waldo_websockets", "WebSockets that are open")
        dropped = registry.counter("waldo_websocket_messages_dropped_total", "Messages that gave way to newer ones for slow readers")
    }

    /// `method` nil: what came could not be read; `status` nil: nobody was there for the answer.
    func count(_ method: HTTPMethod?, _ status: HTTPStatus?) {
        let row = method.map { Self.methods.firstIndex(of: $0) ?? Self.methods.count } ?? Self.methods.count + 1
        let place = row * Self.classes.count + (status.map { $0.rawValue / 100 } ?? 0)
        if let member = members[place] { return member.add() }
        let name = row < Self.methods.count ? Self.methods[row].rawValue : method == nil ? "unreadable" : "other"
        let member = requests.member(name, Self.classes[place % Self.classes.count])
        members[place] = member
        member.add()
    }
}

extension Router {
    /// Serves a registry: `/metrics` as Prometheus text, `/metrics.json`. The registry is read on the reactor's thread.
    public func addMetrics(_ registry: MetricsRegistry, needsUser: Bool = false) {
        var text = Route(
            .get, "/metrics", "Figures for Prometheus", handler: .value { _ in .bytes(registry.text(), type: MetricsRegistry.textType) })
        text.answers = [Route.Answer(.ok, "Text exposition format 0.0.4", type: "text/plain")]
        var json = Route(.get, "/metrics.json", "The same figures as JSON", handler: .value { _ in .json(registry.json()) })
        json.answers = [Route.Answer(.ok, "By name: type, help and values", schema: ["type": "object"])]
        for var route in [text, json] {
            (route.tag, route.needsUser) = ("metrics", needsUser)
            add(route)
        }
    }
}
