import Wire

/// What the sources of a flow know: a subscription, or one direction of somebody else's connection.
extension ZMQDetector {
    /// Messages a second.
    func rate(of source: ZMQFlow.Source, at now: Instant) -> Double {
        switch source {
        case .subscription(let name): index(of: name).map { subscriptions[$0].events.rate(at: now) } ?? 0
        case .connection(let place, let side): connections[place][side].rate(at: now)
        case .ended: 0
        }
    }

    func bytesPerSecond(of source: ZMQFlow.Source, at now: Instant) -> Double {
        switch source {
        case .subscription(let name): index(of: name).map { subscriptions[$0].events.bytesPerSecond(at: now) } ?? 0
        case .connection(let place, let side): connections[place][side].bytesPerSecond(at: now)
        case .ended: 0
        }
    }

    /// Of the flow's source, else of the subscription to the same publisher.
    func roundTrip(of flow: ZMQFlow) -> Duration? {
        if case .connection(let place, _) = flow.source, let roundTrip = connections[place].roundTrip { return roundTrip }
        return subscriptions.first { $0.publisher == flow.key }?.roundTrip
    }

    /// The two ends as they are told of: on loopback the service's is the local one. Which port a subscription came from is not known.
    func ends(of source: ZMQFlow.Source) -> (local: String, remote: String) {
        switch source {
        case .ended: return ("", "")
        case .subscription(let name):
            guard let index = index(of: name) else { return ("", "") }
            let subscription = subscriptions[index], endpoint = subscription.endpoint
            let text = "\(endpoint.host):\(endpoint.port)"
            return subscription.isLocal ? (text, endpoint.host) : ("", text)
        case .connection(let place, _):
            let connection = connections[place]
            let service = connection.key.service.description, client = connection.key.client.description
            return connection.isServiceLocal ? (service, client) : (client, service)
        }
    }
}
