import Wire

/// All data channels of one peer over one SCTP association (RFC 8831).
struct DataChannels {
    private struct Channel {
        var options: DataChannelOptions
        var stream: StreamID?
        var state: DataChannelState
        var statistics: DataChannelStatistics
        /// The peer's side of the stream was reset, or ours was.
        var incomingReset = false
        var outgoingReset = false
    }

    private var association: (any SCTPAssociation)?
    /// The DTLS client takes even stream numbers, the server odd ones (RFC 8832 clause 6).
    private var usesEvenStreams = true
    private var maximumMessage = 65_536
    private var isConnected = false
    /// Until then the end of the association may only be the beginning of another.
    private var patientUntil: Instant?
    /// It ended, and the channels wait.
    private var isWaiting = false
    private var hasFailed = false
    private var channels: [DataChannelID: Channel] = [:]
    private var byStream: [StreamID: DataChannelID] = [:]
    private var nextID = 0
    private var events = Ring<DataChannelEvent>(limit: 4096)
    private(set) var messagesRefused = 0
    private(set) var failure: String?

    private static let maximumChannels = 1024
    /// Label and protocol of a channel that the peer opens, in bytes: RFC 8832 would allow 128 kB, which nobody means.
    private static let longestNames = 4096
    private static let largestStream: UInt16 = 255

    var isInUse: Bool { !channels.isEmpty }
    var isStarted: Bool { association != nil }

    // MARK: Life

    mutating func start(_ association: any SCTPAssociation, role: DTLSRole, maximumMessage: Int, at now: Instant) {
        self.association = association
        usesEvenStreams = role == .client
        self.maximumMessage = maximumMessage
        association.start(at: now)
        drain(at: now)
    }

    mutating func receive(_ packet: Span<UInt8>, at now: Instant) {
        association?.receive(packet, at: now)
        drain(at: now)
    }

    mutating func advance(to now: Instant) {
        association?.advance(to: now)
        drain(at: now)
        if isWaiting, let patientUntil, patientUntil <= now { finishAll() }
    }

    mutating func close(at now: Instant) {
        association?.close(at: now)
        finishAll()
    }

    /// The peer may go over to another association: until then the end of this one does not end its channels.
    mutating func expectAnother(until: Instant) { patientUntil = until }

    /// Another association is to take this one's place. With the same peer, channels that are open stay so on their streams, as Chromium keeps
    /// them, without a new OPEN; what was on its way is lost. With another peer they end.
    mutating func leaveAssociation(keepsChannels: Bool, at now: Instant) {
        association?.close(at: now)
        association = nil
        isConnected = false
        isWaiting = false
        patientUntil = nil
        guard keepsChannels else { return finishAll() }
        for id in channels.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
            guard let channel = channels[id] else { continue }
            if channel.state == .closing { finish(id) }
            guard channel.state == .connecting, channel.options.negotiated == nil, let stream = channel.stream else { continue }
            // Its OPEN was not acknowledged: it is sent again, perhaps under another role's number.
            byStream[stream] = nil
            channels[id]?.stream = nil
        }
    }

    var deadline: Instant? { earlier(association?.deadline, isWaiting ? patientUntil : nil) }
    func nextPacket() -> [UInt8]? { association?.nextPacket() }
    mutating func nextEvent() -> DataChannelEvent? { events.popFirst() }
    var bufferedAmount: Int { association?.bufferedBytes ?? 0 }

    // MARK: Channels

    mutating func open(_ options: DataChannelOptions, at now: Instant) throws(DataChannelError) -> DataChannelID {
        guard channels.count < Self.maximumChannels else { throw .tooManyChannels }
        if let stream = options.negotiated, stream.rawValue > Self.largestStream || byStream[stream] != nil {
            throw .streamUnavailable(stream, highest: StreamID(Self.largestStream))
        }
        let id = newID()
        channels[id] = Channel(
            options: options, stream: options.negotiated, state: .connecting,
            statistics: DataChannelStatistics(label: options.label, stream: options.negotiated, state: .connecting))
        if let stream = options.negotiated { byStream[stream] = id }
        if isConnected { try begin(id, at: now) }
        return id
    }

    mutating func send(_ message: DataMessage, on id: DataChannelID, at now: Instant) throws(DataChannelError) {
        guard let channel = channels[id] else { throw .unknownChannel }
        guard channel.state == .open, let stream = channel.stream else { throw .notOpen(channel.state) }
        guard let association, isConnected else { throw .bufferFull }
        guard message.count <= maximumMessage else { throw .tooLarge(bytes: message.count, limit: maximumMessage) }
        let (protocolID, bytes): (UInt32, [UInt8]) =
            switch message {
            // SCTP cannot carry an empty message: one zero byte stands for it (RFC 8831 clause 6.6).
            case .text(let text): text.isEmpty ? (PayloadProtocol.emptyText, [0]) : (PayloadProtocol.text, Array(text.utf8))
            case .binary(let bytes): bytes.isEmpty ? (PayloadProtocol.emptyBinary, [0]) : (PayloadProtocol.binary, bytes)
            }
        let taken = association.send(
            SCTPMessage(
                stream: stream, protocolID: protocolID, bytes: bytes, isOrdered: channel.options.isOrdered,
                reliability: channel.options.reliability), at: now)
        guard taken else { throw .bufferFull }
        channels[id]?.statistics.messagesSent += 1
        channels[id]?.statistics.bytesSent += message.count
    }

    /// Closes by resetting our side of the stream (RFC 8831 clause 6.7); `closed` follows when the peer has reset its own.
    mutating func close(_ id: DataChannelID, at now: Instant) {
        guard let channel = channels[id], channel.state != .closed, channel.state != .closing else { return }
        guard let stream = channel.stream, isConnected else { return finish(id) }
        channels[id]?.state = .closing
        association?.reset([stream], at: now)
        drain(at: now)
    }

    func state(of id: DataChannelID) -> DataChannelState? { channels[id]?.state }

    var statistics: [DataChannelStatistics] {
        channels.sorted { $0.key.rawValue < $1.key.rawValue }.map { _, channel in
            var statistics = channel.statistics
            statistics.stream = channel.stream
            statistics.state = channel.state
            return statistics
        }
    }

    // MARK: Inside

    private mutating func newID() -> DataChannelID {
        defer { nextID += 1 }
        return DataChannelID(nextID)
    }

    private mutating func begin(_ id: DataChannelID, at now: Instant) throws(DataChannelError) {
        guard let channel = channels[id], let association else { return }
        if channel.options.negotiated == nil {
            guard let stream = freeStream() else {
                finish(id)
                throw .tooManyChannels
            }
            channels[id]?.stream = stream
            byStream[stream] = id
            let open = DCEPMessage.open(
                label: channel.options.label, protocolName: channel.options.protocolName, isOrdered: channel.options.isOrdered,
                reliability: channel.options.reliability, priority: 256)
            guard association.send(SCTPMessage(stream: stream, protocolID: PayloadProtocol.control, bytes: open.bytes), at: now) else {
                finish(id)
                throw .bufferFull
            }
            // The W3C API opens when the acknowledgement comes.
        } else {
            opened(id)
        }
    }

    private func freeStream() -> StreamID? {
        stride(from: usesEvenStreams ? 0 : 1, through: Int(Self.largestStream), by: 2).lazy.map { StreamID(UInt16($0)) }
            .first { byStream[$0] == nil }
    }

    private mutating func opened(_ id: DataChannelID) {
        guard let channel = channels[id], channel.state == .connecting else { return }
        channels[id]?.state = .open
        emit(.opened(id, channel.options))
    }

    private mutating func emit(_ event: DataChannelEvent) {
        if !events.append(event) { messagesRefused += 1 }
    }

    private mutating func drain(at now: Instant) {
        while let event = association?.nextEvent() {
            switch event {
            case .connected:
                isConnected = true
                for id in channels.keys.sorted(by: { $0.rawValue < $1.rawValue }) where channels[id]?.state == .connecting {
                    do throws(DataChannelError) { try begin(id, at: now) } catch { messagesRefused += 1 }
                }
            case .message(let stream, let protocolID, let bytes): received(bytes, protocolID, on: stream, at: now)
            case .incomingReset(let streams): for stream in streams { peerReset(stream, at: now) }
            case .outgoingReset(let streams):
                for stream in streams {
                    guard let id = byStream[stream] else { continue }
                    channels[id]?.outgoingReset = true
                    if channels[id]?.incomingReset == true { finish(id) }
                }
            case .closed: ended(at: now)
            case .failed(let reason):
                failure = reason
                ended(at: now)
            }
        }
    }

    private mutating func received(_ bytes: [UInt8], _ protocolID: UInt32, on stream: StreamID, at now: Instant) {
        if protocolID == PayloadProtocol.control { return control(bytes, on: stream, at: now) }
        guard let id = byStream[stream] else {
            messagesRefused += 1
            return
        }
        // Data before the acknowledgement also says that the peer knows the channel (RFC 8832 clause 6).
        opened(id)
        let message: DataMessage
        switch protocolID {
        case PayloadProtocol.text: message = .text(String(decoding: bytes, as: UTF8.self))
        case PayloadProtocol.emptyText: message = .text("")
        case PayloadProtocol.binary: message = .binary(bytes)
        case PayloadProtocol.emptyBinary: message = .binary([])
        default:
            messagesRefused += 1
            return
        }
        channels[id]?.statistics.messagesReceived += 1
        channels[id]?.statistics.bytesReceived += message.count
        emit(.message(id, message))
    }

    private mutating func control(_ bytes: [UInt8], on stream: StreamID, at now: Instant) {
        let message: DCEPMessage
        do throws(DCEPError) { message = try DCEPMessage(bytes.span) } catch {
            messagesRefused += 1
            return
        }
        switch message {
        case .acknowledge: if let id = byStream[stream] { opened(id) }
        case .open(let label, let protocolName, let isOrdered, let reliability, _):
            // A stream in use, or one too many: the peer's channel is closed again by a reset.
            let names = label.utf8.count + protocolName.utf8.count
            guard byStream[stream] == nil, channels.count < Self.maximumChannels, names <= Self.longestNames else {
                messagesRefused += 1
                if byStream[stream] == nil { association?.reset([stream], at: now) }
                return
            }
            let id = newID()
            let options = DataChannelOptions(label: label, protocolName: protocolName, isOrdered: isOrdered, reliability: reliability)
            channels[id] = Channel(
                options: options, stream: stream, state: .connecting,
                statistics: DataChannelStatistics(label: label, stream: stream, state: .connecting))
            byStream[stream] = id
            _ = association?.send(
                SCTPMessage(stream: stream, protocolID: PayloadProtocol.control, bytes: DCEPMessage.acknowledge.bytes), at: now)
            opened(id)
        }
    }

    private mutating func peerReset(_ stream: StreamID, at now: Instant) {
        guard let id = byStream[stream], let channel = channels[id] else { return }
        channels[id]?.incomingReset = true
        if channel.state != .closing {
            channels[id]?.state = .closing
            association?.reset([stream], at: now)
        } else if channel.outgoingReset {
            finish(id)
        }
    }

    private mutating func finish(_ id: DataChannelID) {
        guard let channel = channels.removeValue(forKey: id) else { return }
        if let stream = channel.stream { byStream[stream] = nil }
        emit(.closed(id))
    }

    private mutating func ended(at now: Instant) {
        isConnected = false
        isWaiting = patientUntil.map { now < $0 } ?? false
        if !isWaiting { finishAll() }
    }

    private mutating func finishAll() {
        isConnected = false
        isWaiting = false
        for id in channels.keys.sorted(by: { $0.rawValue < $1.rawValue }) { finish(id) }
    }
}
