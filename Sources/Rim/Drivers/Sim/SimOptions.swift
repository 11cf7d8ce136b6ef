/// How the simulated robot is set up.
public struct SimOptions: Sendable, Hashable {
    public enum Quality: String, Sendable, Hashable, CaseIterable {
        /// For machines without a graphics card.
        case low
        /// With shadows, reflections and smooth edges: eight times the work, for graphics cards.
        case high
    }

    /// The world's file; nil: the room that comes with Waldo.
    public var world: String?
    public var quality: Quality
    /// Pixels of the camera that people drive by; both even.
    public var width: Int
    public var height: Int
    /// False: nothing is drawn, and no OpenGL is needed.
    public var hasCameras: Bool

    public init(world: String? = nil, quality: Quality = .low, width: Int = 1280, height: Int = 720, hasCameras: Bool = true) {
        (self.world, self.quality, self.width, self.height, self.hasCameras) = (world, quality, width, height, hasCameras)
    }
}
