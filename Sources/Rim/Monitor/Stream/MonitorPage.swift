/// The page that the monitor serves itself (spec section 4): state, operators, metrics and alerts, live.
enum MonitorPage {
    static let text = """
        <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
        <title>Teleoperation monitor</title><style>
        :root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--ink:#15181d;--dim:#5d6673;--line:#dde1e7;--on:#0a7d3f;--warn:#9a5b00;--bar:#2f6fde}
        @media(prefers-color-scheme:dark){:root{--bg:#0f1216;--card:#181c22;--ink:#eef1f5;--dim:#98a2b0;--line:#2a303a;--on:#3ecf7c;--warn:#f2b04a;--bar:#6ea2ff}}
        *{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
        main{max-width:960px;margin:0 auto;padding:20px 16px 40px;display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(280px,1fr))}
        header{grid-column:1/-1;display:flex;flex-wrap:wrap;gap:4px 14px;align-items:baseline}h1{font-size:20px;margin:0}
        section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px}.wide{grid-column:1/-1}
        h2{font-size:13px;font-weight:600;color:var(--dim);margin:0 0 10px}.dim{color:var(--dim)}
        #active{font-size:30px;font-weight:700;line-height:1.15}.on #active{color:var(--on)}
        .bar{height:8px;border-radius:4px;background:var(--line);margin:12px 0 4px;overflow:hidden}.bar i{display:block;height:100%;width:0;background:var(--bar)}
        ul{margin:0;padding:0;list-style:none}li{padding:5px 0;border-top:1px solid var(--line);overflow-wrap:anywhere}li:first-child{border:0}
        dl{display:grid;grid-template-columns:1fr auto;gap:6px 12px;margin:0}dd{margin:0;font-variant-numeric:tabular-nums;text-align:right}
        #link.lost{color:var(--warn)}time{color:var(--dim);margin-right:8px}.warn{color:var(--warn)}
        </style></head><body><main><header><h1>Teleoperation monitor</h1><span id="link" class="dim" role="status">connecting …</span></header>
        <section id="state"><h2>State</h2><div id="active">–</div><div class="bar" role="img" aria-label="confidence"><i id="confidence"></i></div>
        <div class="dim"><span id="percent">0</span> % confidence<span id="since"></span></div></section>
        <section><h2>Operators</h2><ul id="operators"></ul></section><section><h2>Evidence</h2><ul id="reasons"></ul></section>
        <section><h2>Link</h2><dl id="metrics"></dl></section><section><h2>Connections</h2><dl id="connections"></dl></section>
        <section><h2>Detectors</h2><ul id="detectors"></ul></section><section class="wide"><h2>Alerts and events</h2><ul id="events"><li class="dim" id="none">none since this page was opened</li></ul></section></main><script>
        const $=id=>document.getElementById(id),names={latency_ms:['Latency','ms'],bandwidth_mbps:['Bandwidth','Mbit/s'],packet_loss_pct:['Packet loss','%'],
        fps:['Pictures','/s'],command_rate_hz:['Commands','/s'],webrtc:['WebRTC',''],zmq:['ZeroMQ',''],input:['Input devices',''],network:['Network flows','']};
        const fill=(ul,texts,none)=>ul.replaceChildren(...(texts.length?texts:[none]).map(t=>{const li=document.createElement('li');li.textContent=t;if(!texts.length)li.className='dim';return li}));
        const table=(dl,values)=>dl.replaceChildren(...Object.entries(values).flatMap(([k,v])=>{const a=document.createElement('dt'),b=document.createElement('dd'),[n,u]=names[k]||[k,''];
        a.textContent=n;b.textContent=(Number.isInteger(v)?v:v.toFixed(v<10?2:1))+(u?' '+u:'');return[a,b]}));
        function show(s){$('state').className=s.teleoperation_active?'on':'';$('active').textContent=s.teleoperation_active?'Teleoperated':'Nobody drives';
        $('confidence').style.width=s.confidence+'%';$('percent').textContent=s.confidence;$('since').textContent=s.start_time?', for '+Math.round(s.duration)+' s':'';
        fill($('operators'),s.operators,'nobody');fill($('reasons'),s.reasons,'no evidence');table($('metrics'),s.metrics);table($('connections'),s.connections)}
        function note(type,d,time){$('none')?.remove();const li=document.createElement('li'),t=document.createElement('time');t.textContent=new Date(time).toLocaleTimeString();
        const text=d.reason||d.message||d.operator||(d.operators||[]).join(', ')||'';li.append(t,type.replaceAll('_',' ')+(text?': '+text:''));
        if(/warning|alert|stop|error/.test(type))li.className='warn';$('events').prepend(li);while($('events').children.length>30)$('events').lastChild.remove()}
        async function detectors(){try{const s=await(await fetch('status')).json();fill($('detectors'),Object.entries(s.detectors).map(([n,d])=>(names[n]||[n])[0]+': '+d.mode+(d.error?' ('+d.error+')':'')),'none')}catch{}}
        let wait=500;function connect(){const url=new URL('ws',location.href);url.protocol=url.protocol.replace('http','ws');const ws=new WebSocket(url);
        ws.onopen=()=>{wait=500;$('link').className='dim';$('link').textContent='live';detectors()};
        ws.onmessage=e=>{const m=JSON.parse(e.data);if(m.type=='initial_state')show(m.data);else if(m.type=='state_update')show(m.data.state);
        else if(m.data)note(m.type,m.data,m.timestamp)};
        ws.onclose=()=>{$('link').className='lost';$('link').textContent='no connection, trying again …';setTimeout(connect,wait);wait=Math.min(wait*2,8000)}}
        fetch('alerts').then(r=>r.json()).then(a=>a.alerts.forEach(x=>note(x.metric,x,x.timestamp))).catch(()=>{});setInterval(detectors,5000);connect();
        </script></body></html>
        """
}
