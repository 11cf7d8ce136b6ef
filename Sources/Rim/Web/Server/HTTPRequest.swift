import HTTP
import Wire

/// One request, whole.
public struct HTTPRequest: Sendable {
    public let head: HTTPRequestHead
    public let target: HTTPTarget
    public internal(set) var body: [UInt8] = []
    /// Who asks: over trusted proxies the client's address.
    public let client: ForwardedClient
    /// For logs: `X-Request-Id` of a trusted proxy, else a number of ours.
    public let id: String
    /// What the route's `{name}` stood for.
    public internal(set) var parameters: [String: String] = [:]
    /// Who it is, where the route asks for it.
    public internal(set) var user: String?

    package init(head: HTTPRequestHead, target: HTTPTarget, client: ForwardedClient, id: String) {
        (self.head, self.target, self.client, self.id) = (head, target, client, id)
    }

    public var method: HTTPMethod { head.method }
    public var fields: HTTPFields { head.fields }

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
