import subprocess,sys,signal,urllib.request,re
P="import typer; from resilient.cli.emulate import command; typer.run(command)"
def test():
    with subprocess.Popen([sys.executable,"-W","error","-u","-c",P,"hh"],stdout=subprocess.PIPE,stderr=subprocess.PIPE,text=True) as p:
        f=[p.stdout.readline() for _ in range(3)]
        u=re.search(r"http://\S+",f[0])[0]
        with urllib.request.urlopen(u+"/me") as r: r.read()
        p.send_signal(signal.SIGINT); o,e=p.communicate()
    open("/tmp/sig.txt","w").write(e)
