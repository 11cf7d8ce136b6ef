/// placeholder
protocol WebSocketOfClient: AnyObject { func end() }
