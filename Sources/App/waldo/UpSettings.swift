import Glibc
import Reactor
import Robot
import Service
import Wire

/// What `waldo up` can be told, and what it makes of it.
enum UpSettings {
    static let options = own + TLSOptions.options + LogOptions.options
    private static let own: [Settings.Option] = [
        .init("port", "N", "HTTP port, 0: any free one", "8000"),
        .init(
            "bind", "LIST", "HTTP addresses, comma-separated; others than this machine's own\nloopback need a token or --insecure",
            "127.0.0.1"),
        .init("profile", "NAME", "the safety profile: lan or wan", "lan"),
        .init("world", "FILE", "an MJCF world for the simulated robot; none: a furnished home"),
        .init("quality", "NAME", "of the simulated picture: low or high (shadows, reflections)", "low"),
        .init("size", "WxH", "pixels of the robot's front camera", "1280x720"),
        .init(
            "camera", "[NAME=]PIPELINE",
            "a GStreamer source in place of the robot's camera of that name (its first), or as\none more: 'v4l2src device=/dev/video0', 'rear=rtspsrc location=rtsp://… latency=50 !\ndecodebin', 'videotestsrc is-live=true'; may be repeated",
            isRepeatable: true),
        .init("microphone", "PIPELINE", "a GStreamer source in place of the robot's microphone: 'alsasrc'"),
        .init("bitrate", "N", "kbit/s of a 1280x720 picture at 30 a second; less when paths carry less", "2500"),
        .init(
            "encoder", "NAME",
            "openh264, x264 (better and GPL: WALDO_TRAITS=X264), or 'gst:ELEMENT PROPERTIES', any\nencoder of GStreamer's for H.264 or VP8: 'gst:vaapih264enc rate-control=cbr'",
            "openh264"),
        .init("data", "DIR", "where recordings go", dataFolder()),
        .init("record", nil, "record video, telemetry and every command with its verdict (MCAP)"),
        .init("record-limit", "MB", "recordings of this run at most", "4096"),
        .init("token", "TEXT", "whoever shows it may drive and supervise; made up when needed and not given"),
        .init("viewer-token", "TEXT", "whoever shows it may watch, and pull the emergency stop"),
        .init("insecure", nil, "no token, whoever can reach it: on networks that you trust with the robot"),
        .init("media-port", "N", "UDP and TCP port for all media, 0: any free one", "0"),
        .init("advertise", "LIST", "addresses to tell browsers instead of this machine's own (NAT, containers)"),
        .init(
            "ice-servers", "LIST",
            "STUN and TURN URLs for browsers that do not reach the media port by themselves, comma-separated:\nstun:stun.example.org,turn:turn.example.org?transport=tcp"
        ),
        .init("turn-secret", "TEXT", "what the TURN servers and this station share (coturn: use-auth-secret)"),
        .init("turn-lifetime", "S", "how long credentials made by it are good, seconds", "43200"),
        .init("turn-user", "TEXT", "in place of a secret: a user of the TURN servers"),
        .init("turn-password", "TEXT", "the user's password"),
        .init("monitor", nil, "start the usage monitor, too: whether this machine is teleoperated, by whom, how well"),
        .init("monitor-port", "N", "where this machine's usage monitor answers, for the console's Usage screen; 0: none", "8765"),
        UsageSettings.namespace,
        .init("console", "DIR", "the folder of the console's files", installationFolder() + "/console"),
        .init("config", "FILE", "read these settings from a JSON file: {\"port\": 8080, …}"),
    ]
    static let secrets: Set = ["token", "viewer-token", "turn-secret", "turn-password"]

    static func station(_ settings: Settings) -> StationOptions {
        var options = StationOptions(console: settings.text("console") ?? "console")
        options.port = UInt16(settings.number("port", 0...65_535))
        options.bind = settings.addresses("bind")
        if options.bind.isEmpty { fail("\(settings.source("bind")): expected at least one address") }
        options.profile = settings.choice("profile", ["lan", "wan"]) == "wan" ? .wan : .lan
        options.bitrate = settings.number("bitrate", 100...100_000) * 1000
        options.encoders = makeEncoders(settings)
        options.mediaPort = UInt16(settings.number("media-port", 0...65_535))
        options.advertised = settings.addresses("advertise")
        options.iceServers = iceServers(settings)
        options.tls = TLSOptions.tls(settings)
        UsageSettings.read(settings, &options)
        guardAccess(settings, &options)
        options.recordingLimit = settings.number("record-limit", 4...1_000_000) << 20
        if settings.isOn("record") { options.recording = recording(in: settings.text("data") ?? dataFolder()) }
        let log = LogOptions(settings)
        (options.log, options.logsRequests) = (log.logger("station"), log.logsRequests)
        return options
    }

    /// Beyond this machine nobody comes without a token, unless somebody has said in so many words that they may.
    private static func guardAccess(_ settings: Settings, _ options: inout StationOptions) {
        options.token = settings.text("token")
        options.viewerToken = settings.text("viewer-token")
        for name in ["token", "viewer-token"] {
            guard let token = settings.text(name) else { continue }
            let isFit =
                (8...256).contains(token.utf8.count) && token.utf8.allSatisfy { $0 > 32 && $0 < 127 && !"%&#+;,\"\\".utf8.contains($0) }
            if !isFit { fail("\(settings.source(name)): expected 8 to 256 letters and digits, or - . _ ~") }
        }
        let isLocal = options.bind.allSatisfy(\.isLoopback)
        if settings.isOn("insecure") {
            if options.token != nil { fail("expected either --insecure or a token, got both") }
            return
        }
        if options.token == nil, !isLocal || options.viewerToken != nil { options.token = makeToken() }
    }

    /// A file named for the moment; its folder is made.
    private static func recording(in data: String) -> String {
        let folder = data + "/recordings"
        var path = ""
        for part in folder.split(separator: "/", omittingEmptySubsequences: false) {
            path += path.isEmpty && part.isEmpty ? "/" : (path.isEmpty || path == "/" ? "" : "/") + part
            if unsafe mkdir(path, 0o755) != 0, errno != EEXIST { fail("--data: cannot make \(path): \(SystemError("mkdir", path))") }
        }
        return folder + "/" + fileName(unixSeconds: MonotonicClock.unixSeconds()) + ".mcap"
    }

    static func makeToken() -> String { Hex.encode((0..<12).map { _ in UInt8.random(in: .min ... .max) }) }
}
