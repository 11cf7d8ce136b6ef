import HTTP
import Wire

/// The parsers of the web server and client. Each is fed whole and in two pieces, cut where the input says: the outcome must be the same.
extension FuzzTarget {
    static func cut(_ bytes: Span<UInt8>) -> Int { bytes.count > 0 ? Int(bytes[bytes.count - 1]) % bytes.count : 0 }

    static func json(_ bytes: Span<UInt8>) {
        let limits = JSONLimits(depth: 16, bytes: 4096)
        let whole = Result { () throws(JSONError) in try JSON(parsing: bytes, limits: limits) }
        let pieces = Result { () throws(JSONError) in
            var parser = JSONParser(limits: limits)
            try parser.feed(bytes.extracting(0..<cut(bytes)))
            try parser.feed(bytes.extracting(cut(bytes)..<bytes.count))
            return try parser.finish()
        }
        precondition(whole == pieces, "a cut changes the outcome")
        guard case .success(let value) = whole else { return }
        let again = try? JSON(parsing: value.description, limits: JSONLimits(depth: 16, bytes: 1 << 20))
        precondition(again?.description == value.description, "what is written does not read back")
    }

    static func httpRequest(_ bytes: Span<UInt8>) {
        func read(_ pieces: [Range<Int>]) -> [String] {
            var parser = HTTPRequestParser(limits: HTTPLimits(startLine: 256, head: 1024, fields: 8, body: 256))
            var steps: [String] = [], body = 0
            do throws(HTTPError) {
                for piece in pieces {
                    let part = bytes.extracting(piece)
                    var offset = 0
                    while let event = try parser.next(part, &offset) {
                        switch event {
                        case .head(let head, let expects):
                            steps.append("\(head.method) \(head.target) \(head.fields.count) \(expects)")
                            if let target = HTTPTarget(head.target) {
                                precondition(!target.segments.contains { $0 == ".." || $0.contains("/") }, "a way out of the tree")
                            }
                            _ = try? WebSocketHandshake.accept(head, protocols: ["a"], allowsCompression: true)
                            _ = HTTPRange(head.fields["range"], size: 1000)
                            _ = HTTPConditions.isUnchanged(head.fields, tag: "\"a\"", modified: 1)
                        case .body(let range):
                            precondition(range.upperBound <= part.count, "body outside the bytes")
                            body += range.count
                        case .end: steps.append("end \(body)")
                        }
                    }
                }
            } catch { steps.append("\(error.code)") }
            return steps
        }
        precondition(read([0..<bytes.count]) == read([0..<cut(bytes), cut(bytes)..<bytes.count]), "a cut changes the outcome")
    }

    static func httpResponse(_ bytes: Span<UInt8>) {
        var parser = HTTPResponseParser(limits: HTTPLimits(startLine: 256, head: 1024, fields: 8, body: 256))
        for piece in [0..<cut(bytes), cut(bytes)..<bytes.count] {
            var offset = 0
            while (try? parser.next(bytes.extracting(piece), &offset)) != nil {}
        }
        _ = try? parser.connectionEnded()
    }

    static func chunkedBody(_ bytes: Span<UInt8>) {
        let head = Array("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        func read(_ pieces: [Range<Int>]) -> [String] {
            var parser = HTTPRequestParser(limits: HTTPLimits(startLine: 64, head: 256, fields: 5, body: 512))
            var steps: [String] = [], body: [UInt8] = []
            do throws(HTTPError) {
                var offset = 0
                _ = try parser.next(head.span, &offset)
                for piece in pieces {
                    let part = bytes.extracting(piece)
                    var offset = 0
                    while let event = try parser.next(part, &offset) {
                        switch event {
                        case .head: steps.append("head")
                        case .body(let range): body.append(span: part.extracting(range))
                        case .end: steps.append("end of \(body)")
                        }
                        precondition(body.count <= 512, "a body longer than allowed")
                        if case .end = event { body = [] }
                    }
                }
            } catch { steps.append("\(error.code)") }
            return steps
        }
        let whole = read([0..<bytes.count])
        precondition(whole == read([0..<cut(bytes), cut(bytes)..<bytes.count]), "a cut changes the outcome")
        precondition(whole == read((0..<bytes.count).map { $0..<$0 + 1 }), "byte by byte the outcome is another")
    }

    static func webSocket(_ bytes: Span<UInt8>) {
        func read(_ pieces: [Range<Int>]) -> [String] {
            var connection = WebSocketConnection(at: .zero)
            var steps: [String] = []
            for piece in pieces {
                var copy: [UInt8] = []
                copy.append(span: bytes.extracting(piece))
                var offset = 0
                while true {
                    var span = copy.mutableSpan
                    guard let event = connection.next(&span, &offset, at: .zero) else { break }
                    switch event {
                    case .message(let kind, .given(let range)): steps.append("\(kind) \(copy[range].reduce(0) { $0 &* 31 &+ Int($1) })")
                    case .message(let kind, _): steps.append("\(kind) \(connection.assembled.reduce(0) { $0 &* 31 &+ Int($1) })")
                    case .closed(let code, _, _): steps.append("closed \(code.rawValue)")
                    }
                }
            }
            return steps
        }
        precondition(read([0..<bytes.count]) == read([0..<cut(bytes), cut(bytes)..<bytes.count]), "a cut changes the outcome")
    }

    static func proxyHeader(_ bytes: Span<UInt8>) {
        guard case .header(_, let length)? = try? ProxyProtocol.parse(bytes) else { return }
        precondition(length <= bytes.count, "a header longer than what came")
    }

    static func forwarded(_ bytes: Span<UInt8>) {
        let text = bytes.text
        guard HTTPFields.isValue(text) else { return }
        for name in ["Forwarded", "X-Forwarded-For"] {
            let fields = HTTPFields([(name, text), ("X-Forwarded-Proto", text)])
            _ = ForwardedClient(fields, peer: IPAddress(127, 0, 0, 1), isSecure: false) { $0.isLoopback }
        }
    }

    /// The first line is the content type.
    static func multipart(_ bytes: Span<UInt8>) {
        var end = 0
        while end < bytes.count, bytes[end] != 0x0A { end += 1 }
        let type = bytes.extracting(0..<end).text
        let body = bytes.extracting(min(end + 1, bytes.count)..<bytes.count)
        let limits = MultipartLimits(parts: 5, head: 256, part: 512, preamble: 64)
        func read(_ pieces: [Range<Int>]) -> [String] {
            var steps: [String] = [], content: [UInt8] = []
            do throws(MultipartError) {
                var reader = try MultipartReader(contentType: type, limits: limits)
                for piece in pieces {
                    let part = body.extracting(piece)
                    var offset = 0
                    while let event = try reader.next(part, &offset) {
                        switch event {
                        case .part(let head):
                            steps.append("\(head.name) \(head.fileName ?? "") \(head.contentType)")
                            if let safe = head.safeFileName {
                                precondition(
                                    !safe.isEmpty && safe != ".." && !safe.contains("/") && !safe.contains("\0"), "a way out: \(safe)")
                            }
                            content = []
                        case .data(let range): content.append(span: part.extracting(range))
                        case .held(let range): content += reader.delimiter[range]
                        case .partEnd: steps.append("\(content)")
                        case .end: steps.append("end")
                        }
                        precondition(content.count <= limits.part, "a part longer than allowed")
                    }
                }
                try reader.finish()
            } catch { steps.append("\(error.code)") }
            return steps
        }
        let whole = read([0..<body.count])
        precondition(whole == read([0..<cut(body), cut(body)..<body.count]), "a cut changes the outcome")
        precondition(whole == read((0..<body.count).map { $0..<$0 + 1 }), "byte by byte the outcome is another")
        _ = try? HTTPForm(body.array, contentType: type, limits: limits)
    }

    /// What is a URL is printed and read again; then it is a reference in itself, and a redirection of itself.
    static func url(_ bytes: Span<UInt8>) {
        guard let url = try? WebURL(bytes.text, allowsCredentials: true) else {
            if let base = try? WebURL("https://a.b/c/d?e") { _ = try? base.resolve(bytes.text) }
            return
        }
        guard let again = try? WebURL(url.description) else { preconditionFailure("\(url) does not parse again") }
        precondition(again.description == url.description && again.origin == url.origin, "\(url) is printed differently the second time")
        precondition(url.target.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "a target with what may not stand in one")
        precondition(HTTPFields.isValue(url.authority), "a host with what may not stand in a field")
        precondition((try? url.resolve(url.description)) == again, "\(url) is another to itself")
        _ = ProxyEnvironment().proxy(for: url)
        _ = try? HTTPProxy(bytes.text)
    }

    static func eventStream(_ bytes: Span<UInt8>) {
        func read(_ pieces: [Range<Int>]) -> [String] {
            var reader = EventStreamReader(limit: 64)
            var steps: [String] = []
            do throws(EventStreamError) {
                for piece in pieces {
                    var offset = 0
                    while let event = try reader.next(bytes.extracting(piece), &offset) { steps.append("\(event)") }
                }
            } catch { steps.append("\(error)") }
            return steps + [reader.lastEventID]
        }
        precondition(read([0..<bytes.count]) == read([0..<cut(bytes), cut(bytes)..<bytes.count]), "a cut changes the outcome")
    }

    static func noProxy(_ bytes: Span<UInt8>) {
        guard let environment = try? ProxyEnvironment(["http_proxy": "p", "no_proxy": bytes.text]) else { return }
        for text in ["http://a.b/", "http://10.0.0.1:81/", "http://[2001:db8::1]/"] {
            if let url = try? WebURL(text) { _ = environment.proxy(for: url) }
        }
    }
}
