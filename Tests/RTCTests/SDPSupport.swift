import Foundation
import RTC
import Wire
import XCTest

/// The recorded descriptions, by file name without `.sdp`.
enum SDPCorpus {
    static func all() throws -> [(name: String, text: String)] {
        let folder = Bundle.module.bundleURL.appendingPathComponent("Resources/sdp")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        return try files.filter { $0.pathExtension == "sdp" }.sorted { $0.path < $1.path }.map { file in
            (file.deletingPathExtension().lastPathComponent, String(decoding: try Data(contentsOf: file), as: UTF8.self))
        }
    }

    static func text(_ name: String) throws -> String {
        try XCTUnwrap(all().first { $0.name == name }?.text, "no recorded description \(name)")
    }

    static func description(_ name: String) throws -> SessionDescription { try SessionDescription(parsing: text(name)) }
}

/// A negotiator with its own ICE.
struct Side {
    var negotiator: Negotiator
    var transport: TransportDescription
    private let name: String
    private var generation = 0

    init(_ name: String, _ change: (inout NegotiationConfiguration) -> Void = { _ in }) {
        self.name = name
        let digest = [UInt8](repeating: name.utf8.first ?? 0, count: 32)
        var configuration = NegotiationConfiguration(
            fingerprints: [Fingerprint(algorithm: .sha256, digest: digest)], sessionID: UInt64(name.utf8.first ?? 1), cname: "cname-\(name)"
        )
        change(&configuration)
        negotiator = Negotiator(configuration: configuration)
        transport = Self.transport(name, 0)
    }

    mutating func renewICE() {
        generation += 1
        transport = Self.transport(name, generation)
    }

    private static func transport(_ name: String, _ generation: Int) -> TransportDescription {
        TransportDescription(
            iceCredentials: .init(usernameFragment: "\(name)frag\(generation)", password: "\(name)passwordpasswordpassword\(generation)"),
            candidates: ["candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host"])
    }

    mutating func offer(isRestart: Bool = false) throws -> SessionDescription {
        let offer = try negotiator.createOffer(transport, isRestart: isRestart)
        try negotiator.setLocal(offer, kind: .offer)
        return try reparsed(offer)
    }

    mutating func answer(_ offer: SessionDescription) throws -> SessionDescription {
        try negotiator.setRemote(offer, kind: .offer)
        let answer = try negotiator.createAnswer(transport)
        try negotiator.setLocal(answer, kind: .answer)
        return try reparsed(answer)
    }

    var session: NegotiatedSession? { negotiator.session }
}

/// What goes through the text arrives as it was.
func reparsed(_ description: SessionDescription, file: StaticString = #filePath, line: UInt = #line) throws -> SessionDescription {
    let parsed = try SessionDescription(parsing: description.description)
    XCTAssertEqual(parsed.description, description.description, file: file, line: line)
    return parsed
}

/// One whole exchange.
func negotiate(_ a: inout Side, _ b: inout Side, isRestart: Bool = false) throws {
    try a.negotiator.setRemote(b.answer(a.offer(isRestart: isRestart)), kind: .answer)
}

/// The side whose offer the recorded answers answer.
func recordedOfferer() -> Side {
    var side = Side("alpha")
    side.negotiator.addTransceiver(.video, direction: .sendrecv, streamID: "s", trackID: "v", ssrc: SSRC(1), rtxSSRC: SSRC(2))
    side.negotiator.addTransceiver(.audio, direction: .sendrecv, streamID: "s", trackID: "a", ssrc: SSRC(3))
    side.negotiator.requestDataChannels()
    return side
}
