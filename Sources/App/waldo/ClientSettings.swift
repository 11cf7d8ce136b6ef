import Crypto
import Glibc
import HTTP
import Media
import RTC
import Reactor
import Robot
import Service
import Wire

/// What `waldo client` can be told, and what it makes of it (specs: teleop-client clause 1).
enum ClientSettings {
    static let options: [Settings.Option] = [
        .init(
            "signaling", "URL", "the signalling server, ws or wss, any path", "ws://127.0.0.1:8080", alias: "SIGNALING_SERVER_URL"),
        .init("role", "NAME", "robot or operator; none: a menu", alias: "TELEOP_ROLE"),
        .init(
            "ice-server", "URL[,USER,CREDENTIAL]",
            "a STUN or TURN server; may be repeated; `none`: this machine's own addresses only.\nICE_SERVERS takes a JSON list [{\"urls\":…,\"username\":…,\"credential\":…}] or URLs, comma-separated\n(public STUN servers)",
            isRepeatable: true, alias: "ICE_SERVERS"),
        .init("id", "TEXT", "what this end calls itself; none: 16 random hex characters"),
        .init("peer", "ID", "operator: the robot's id; none: any robot"),
        .init(
            "camera", "NAME",
            "robot: rgb (the first camera), realsense_rgb, realsense_depth, test (a test picture), sim (what\n--drive sim sees, and then the default), a device (/dev/video2, 2) or a GStreamer pipeline",
            "rgb", alias: "TELEOP_CAMERA"),
        .init("size", "WxH", "robot: pixels of the picture", "640x480"),
        .init("rate", "N", "robot: pictures a second, 1 to 60", "30"),
        .init("bitrate", "N", "robot: kbit/s of a 1280x720 picture at 30 a second; less when the path carries less", "2500"),
        .init(
            "encoder", "NAME", "robot: openh264, x264 (WALDO_TRAITS=X264), or 'gst:ELEMENT PROPERTIES'", "openh264"),
        .init("drive", "DRIVER", "robot: what the commands drive, through the safety gate: sim; none: they are only reported"),
        .init("profile", "NAME", "robot: the safety profile: lan or wan", "lan"),
        .init("world", "FILE", "robot: an MJCF world for --drive sim"),
        UsageSettings.namespace,
        .init("viewers", "N", "robot: operators who watch beside the one who drives", "0"),
        .init("headless", nil, "operator: no window"),
        .init(
            "commands", "NAME",
            "operator: test (random numbers), stdin (a JSON object a line) or none; a window's keys and a game\ncontroller drive in any case",
            "test"),
        .init("no-test-commands", nil, "operator: as --commands none"),
        .init("command-interval", "S", "operator: seconds between two test commands", "1.0"),
        .init("command-format", "NAME", "operator: how numbers are written: string (\"0.42\") or number", "string"),
        .init("yes-drive-randomly", nil, "operator: send test commands also to a robot that really drives"),
        .init("stats", nil, "operator: a line of figures a second, as JSON"),
        .init("record", "FILE", "operator: record the picture and every command (MCAP)"),
        .init("record-limit", "MB", "of the recording at most", "4096"),
        .init("bind", "LIST", "this machine's addresses for media, comma-separated; none: all"),
        .init("relay-only", nil, "media through TURN servers only"),
        .init("tls-ca", "FILE", "trust these certificates (PEM) of signalling and TURN servers, not the system's"),
        .init("log", "FORM", "what is printed: text for people, json for programs", "text"),
        .init("config", "FILE", "read these settings from a JSON file: {\"signaling\": \"ws://…\", …}"),
        .init("log-level", "LEVEL", "of the diagnostic log: trace, debug, info, warning or error", "warning"),
        .init("log-format", "NAME", "of the diagnostic log: text or json", "text"),
        .init("log-redact", nil, "addresses in the log lose their last part"),
    ]

    private static let standardServers = [
        "stun.l.google.com:19302", "stun.l.google.com:5349", "stun1.l.google.com:3478", "stun1.l.google.com:5349",
        "stun2.l.google.com:19302", "stun2.l.google.com:5349", "stun3.l.google.com:3478", "stun3.l.google.com:5349",
        "stun4.l.google.com:19302", "stun4.l.google.com:5349",
    ].map { "stun:" + $0 }

    static func signaling(_ settings: Settings) -> WebURL {
        let text = settings.text("signaling") ?? ""
        do throws(WebURLError) {
            let url = try WebURL(text)
            guard url.scheme.isWebSocket else { fail("\(settings.source("signaling")): expected ws:// or wss://, got `\(text)`") }
            return url
        } catch { fail("\(settings.source("signaling")): expected a URL like ws://127.0.0.1:8080, got `\(text)` (\(error))") }
    }

    static func id(_ settings: Settings) -> String {
        guard let id = settings.text("id") else { return Hex.encode((0..<8).map { _ in UInt8.random(in: .min ... .max) }) }
        if !(1...64).contains(id.utf8.count) { fail("\(settings.source("id")): expected 1 to 64 characters, got \(id.utf8.count)") }
        return id
    }

    static func trust(_ settings: Settings) -> TLSTrust { settings.text("tls-ca").map { .file($0) } ?? .system }

    static func interval(_ settings: Settings) -> Double {
        let text = settings.text("command-interval") ?? ""
        guard let seconds = Double(text), (0.01...60).contains(seconds) else {
            fail("\(settings.source("command-interval")): expected seconds from 0.01 to 60, got `\(text)`")
        }
        return seconds
    }

    // MARK: ICE servers

    static func iceServers(_ settings: Settings) -> [IceServer] {
        let texts = settings.texts("ice-server")
        let source = settings.source("ice-server")
        if texts.isEmpty { return standardServers.compactMap { try? IceServer(url: $0) } }
        if texts.allSatisfy({ $0 == "none" || $0.isEmpty }) { return [] }
        if case .environment(let name) = source, name == "ICE_SERVERS" { return list(texts[0], source) }
        return texts.map { text in
            let parts = text.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
            return server(parts[0], parts.count > 1 ? parts[1] : "", parts.count > 2 ? parts[2] : "", source)
        }
    }

    /// As browsers take them, or URLs alone.
    private static func list(_ text: String, _ source: Settings.Source) -> [IceServer] {
        guard text.first(where: { !$0.isWhitespace }) == "[" else {
            return text.split { $0 == "," || $0.isWhitespace }.filter { $0 != "none" }.map { server(String($0), "", "", source) }
        }
        do {
            let entries = try JSONField(try JSON(parsing: text)).array(limit: 16)
            var servers: [IceServer] = []
            for entry in entries {
                let urls = try entry["urls"].value?.string.map { [$0] } ?? entry["urls"].array(limit: 16).map { try $0.string() }
                let user = try entry["username"].optional?.string() ?? "", credential = try entry["credential"].optional?.string() ?? ""
                for url in urls { servers.append(server(url, user, credential, source)) }
            }
            return servers
        } catch { fail("\(source): expected [{\"urls\":\"stun:…\"}, …] or URLs, comma-separated: \(error)") }
    }

    private static func server(_ url: String, _ user: String, _ credential: String, _ source: Settings.Source) -> IceServer {
        do throws(IceServerError) { return try IceServer(url: url, username: user, credential: credential) } catch {
            fail(
                "\(source): expected URL[,USER,CREDENTIAL] like stun:stun.example.org or turn:192.0.2.1:3478,user,secret; got `\(url)` (\(error))"
            )
        }
    }
}
