import HTTP
import Wire

/// One request, whole.
public struct HTTPRequest: Sendable {
    /// What was known before the body: kept once, however often the request is handed on.
    private var opening: Opening
    public internal(set) var body: [UInt8] = []
    /// What the route's `{name}` stood for.
    public internal(set) var parameters: [String: String] = [:]
    /// Who it is, where the route asks for it.
    public internal(set) var user: String?
    /// The number of its route, among the router's.
    var route: Int?

    private final class Opening: Sendable {
        let head: HTTPRequestHead
        let target: HTTPTarget
        let client: ForwardedClient
        let id: String

        init(_ head: HTTPRequestHead, _ target: HTTPTarget, _ client: ForwardedClient, _ id: String) {
            (self.head, self.target, self.client, self.id) = (head, target, client, id)
        }
    }

    package init(head: HTTPRequestHead, target: HTTPTarget, client: ForwardedClient, id: String) {
        opening = Opening(head, target, client, id)
    }

    public var head: HTTPRequestHead { opening.head }
    public var target: HTTPTarget { opening.target }
    /// Who asks: over trusted proxies the client's address.
    public var client: ForwardedClient { opening.client }
    /// For logs: `X-Request-Id` of a trusted proxy where it is a token of at most 64 characters, else a number of ours.
    public var id: String { opening.id }
    public var method: HTTPMethod { opening.head.method }
    public var fields: HTTPFields { opening.head.fields }

    /// The same in as little room as it needs: for one that is kept.
    func compacted() -> HTTPRequest {
        var (copy, head) = (self, self.head)
        head.fields.compact()
        copy.opening = Opening(head, target, client, id)
        return copy
    }

    var announcesBody: Bool { fields.contains("transfer-encoding") || (fields["content-length"].map { $0 != "0" } ?? false) }

    /// The body as a form, `multipart/form-data` or `application/x-www-form-urlencoded`; what is wrong with it is an answer.
    public func form(limits: MultipartLimits = MultipartLimits()) throws(HTTPProblem) -> HTTPForm {
        do throws(MultipartError) { return try HTTPForm(body, contentType: fields["Content-Type"] ?? "", limits: limits) } catch {
            throw HTTPProblem(error.status, "invalid_form", error.description)
        }
    }

    /// The body as JSON; what is wrong with it is an answer.
    public func json(limits: JSONLimits = JSONLimits()) throws(HTTPProblem) -> JSONField {
        do throws(JSONError) { return JSONField(try JSON(parsing: body.span, limits: limits)) } catch {
            throw HTTPProblem(.badRequest, "invalid_json", error.description)
        }
    }
}
