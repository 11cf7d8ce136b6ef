import HTTP
import Reactor
import Usage
import Web
import Wire

/// The monitor's HTTP routes (spec section 4). Lives on the reactor.
final class MonitorRoutes: HTTPHandler {
    private let streamer: EventStreamer
    private unowned let service: MonitorService

    init(_ streamer: EventStreamer, _ service: MonitorService) { (self.streamer, self.service) = (streamer, service) }

    private enum Page { case status, metrics, health, alerts, dashboard, socket, options }

    func admit(_ request: inout HTTPRequest) throws(HTTPProblem) -> Int? { 1 << 16 }

    func decorate(_ fields: inout HTTPFields, _ request: HTTPRequest) {
        fields.append("Access-Control-Allow-Origin", "*")
        fields.append("X-Content-Type-Options", "nosniff")
    }

    func handle(_ request: HTTPRequest, _ responder: HTTPResponder) {
        if request.method == .options { return responder.respond(Self.permission) }
        guard let page = Self.page(request.target.rawPath) else {
            return responder.respond(.json(["error": "Not found"], .notFound))
        }
        guard request.method == .get || request.method == .head else {
            var response = HTTPResponse.json(["error": "Method not allowed"], .methodNotAllowed)
            response.fields.append("Allow", "GET, HEAD, OPTIONS")
            return responder.respond(response)
        }
        if page == .socket { return join(request, responder) }
        var response = answer(page, request)
        response.fields.append("Cache-Control", "no-store")
        responder.respond(response)
    }

    private static func page(_ path: String) -> Page? {
        switch path {
        case "/status": .status
        case "/metrics": .metrics
        case "/health": .health
        case "/alerts": .alerts
        case "/", "/dashboard": .dashboard
        case "/ws": .socket
        default: nil
        }
    }

    private static var permission: HTTPResponse {
        HTTPResponse(
            .noContent,
            fields: [
                "Access-Control-Allow-Methods": "GET, OPTIONS", "Access-Control-Allow-Headers": "*", "Access-Control-Max-Age": "86400",
            ])
    }

    private func join(_ request: HTTPRequest, _ responder: HTTPResponder) {
        guard WebSocketHandshake.isUpgrade(request.head) else {
            var response = HTTPResponse.json(["error": "This is a WebSocket: connect with ws://"], .upgradeRequired)
            response.fields.append("Upgrade", "websocket")
            return responder.respond(response)
        }
        streamer.join(responder)
    }

    private func answer(_ page: Page, _ request: HTTPRequest) -> HTTPResponse {
        let now = MonotonicClock.now()
        switch page {
        case .status: return .json(service.engine.statusReport(streamer.report, at: now))
        case .metrics:
            guard AcceptPreference.wantsPlainText(request.fields["accept"]) else {
                return .json(service.engine.metricsReport(streamer.report, at: now))
            }
            return .bytes(service.engine.prometheusReport(streamer.report), type: "text/plain; version=0.0.4; charset=utf-8")
        case .alerts: return .json(service.engine.alertsReport(at: now))
        case .dashboard:
            var response = HTTPResponse.text(MonitorPage.text, type: "text/html; charset=utf-8")
            response.fields.append(
                "Content-Security-Policy",
                "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src *; img-src data:")
            return response
        case .health, .socket, .options: return .json(service.engine.healthReport(at: now))
        }
    }
}

/// What a client would rather read (RFC 9110 clause 12.5.1), as far as `/metrics` asks.
enum AcceptPreference {
    /// Whether plain text is preferred over JSON: JSON where both are alike, or nothing is said.
    static func wantsPlainText(_ accept: String?) -> Bool {
        guard let accept else { return false }
        var text = 0.0, json = 0.0
        for part in accept.lowercased().split(separator: ",").prefix(64) {
            let pieces = part.split(separator: ";").map { $0.trimmed }
            guard let type = pieces.first else { continue }
            let quality = pieces.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            switch type {
            case "text/plain", "application/openmetrics-text": text = max(text, quality)
            case "application/json", "application/*", "*/*": json = max(json, type == "application/json" ? quality : min(quality, 0.001))
            default: break
            }
        }
        return text > json
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = self
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
