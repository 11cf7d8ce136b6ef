import Glibc
import HTTP
import Wire

/// Plain files under one folder: tags, conditions, ranges, types, and the `.br` and `.gz` siblings that were compressed before.
public struct StaticFiles: Sendable {
    /// The folder, without links and dots.
    private let root: String
    /// `Cache-Control` of what is served.
    public var caching = "no-cache"

    /// Nil when there is no such folder.
    public init?(root: String) {
        guard let resolved = Self.resolve(root) else { return nil }
        self.root = resolved
    }

    /// Whether a file is there and can be read.
    public func has(_ segments: [String]) -> Bool { path(of: segments).flatMap(open) != nil }

    /// Answers a GET or HEAD of the file at `segments`; a folder's `index.html`.
    public func answer(_ request: HTTPRequest, _ segments: [String]) throws(HTTPProblem) -> HTTPResponse {
        guard let path = path(of: segments) else { throw Self.notFound(request) }
        var fields: HTTPFields = ["Content-Type": Self.type(of: path), "Cache-Control": caching, "Vary": "Accept-Encoding"]
        let accepted = Self.codings(request.fields)
        var found: FileBody?
        for (suffix, coding) in [(".br", "br"), (".gz", "gzip")] where accepted.contains(coding[...]) && request.fields["range"] == nil {
            guard let file = open(path + suffix) else { continue }
            found = file
            fields.append("Content-Encoding", coding)
            break
        }
        guard let file = found ?? open(path) else { throw Self.notFound(request) }
        let stamp = [Int(file.modified), file.nanoseconds, file.size].map { String($0, radix: 36) }.joined(separator: "-")
        let tag = "\"\(stamp)\(fields["Content-Encoding"] ?? "")\""
        fields.append("ETag", tag)
        fields.append("Last-Modified", HTTPDate.format(file.modified))
        fields.append("Accept-Ranges", "bytes")
        if HTTPConditions.isUnchanged(request.fields, tag: tag, modified: file.modified) {
            fields["Content-Type"] = nil
            return HTTPResponse(.notModified, fields: fields)
        }
        let isWhole = !HTTPConditions.allowsRange(request.fields, tag: tag, modified: file.modified) || request.method != .get
        switch isWhole ? .all : HTTPRange(request.fields["range"], size: file.size) {
        case .all: return HTTPResponse(.ok, fields: fields, body: .file(file))
        case .part(let range):
            guard let part = file.part(range) else { throw HTTPProblem(.serviceUnavailable, "busy", "too many files are open; try again") }
            fields.append("Content-Range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(file.size)")
            return HTTPResponse(.partialContent, fields: fields, body: .file(part))
        case .unsatisfiable:
            throw HTTPProblem(
                .rangeNotSatisfiable, "range", "the file has \(file.size) bytes", fields: ["Content-Range": "bytes */\(file.size)"])
        }
    }

    /// Those that the client takes; a weight of 0 says that it does not (RFC 9110 clause 12.5.3).
    private static func codings(_ fields: HTTPFields) -> [Substring] {
        fields.list("accept-encoding").compactMap { member in
            let parts = member.lowercased().filter { $0 != " " && $0 != "\t" }.split(separator: ";")
            let isRefused = parts.dropFirst().contains { $0.hasPrefix("q=0") && $0.dropFirst(2).allSatisfy { $0 == "0" || $0 == "." } }
            return isRefused ? nil : parts.first
        }
    }

    private static func notFound(_ request: HTTPRequest) -> HTTPProblem {
        HTTPProblem(.notFound, "not_found", "there is nothing at \(request.target.rawPath)")
    }

    /// Nil for names that begin with a dot: what is hidden stays so.
    private func path(of segments: [String]) -> String? {
        guard !segments.contains(where: { $0.hasPrefix(".") }) else { return nil }
        let names = segments.filter { !$0.isEmpty }
        let path = ([root] + names).joined(separator: "/")
        return names.isEmpty || segments.last == "" ? path + "/index.html" : path
    }

    /// A link may lead about inside the folder, not out of it.
    private func open(_ path: String) -> FileBody? {
        guard let resolved = Self.resolve(path), resolved.hasPrefix(root + "/") else { return nil }
        return FileBody(path: resolved)
    }

    private static func resolve(_ path: String) -> String? {
        guard let resolved = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }

    private static func type(of path: String) -> String {
        let name = path.split(separator: "/").last ?? ""
        let suffix = name.split(separator: ".", omittingEmptySubsequences: false).dropFirst().last ?? ""
        return types[String(suffix).lowercased()] ?? "application/octet-stream"
    }

    private static let types = [
        "html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "mjs": "text/javascript; charset=utf-8",
        "css": "text/css; charset=utf-8", "json": "application/json", "map": "application/json", "txt": "text/plain; charset=utf-8",
        "md": "text/markdown; charset=utf-8", "csv": "text/csv; charset=utf-8", "xml": "application/xml", "svg": "image/svg+xml",
        "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "ico": "image/x-icon",
        "woff2": "font/woff2", "wasm": "application/wasm", "pdf": "application/pdf", "mp4": "video/mp4", "webm": "video/webm",
        "mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg", "webmanifest": "application/manifest+json",
    ]
}
