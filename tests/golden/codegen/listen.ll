source_filename = "syscast"
target datalayout = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"
target triple = "bpf"

@"events" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !17
@"shards" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !48
@"control" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !68
@"ledger" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !82
@"raised" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !91
@"scratch" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !100
@syscast_config = dso_local externally_initialized constant [64 x i8] c"\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00", section ".rodata", align 8, !dbg !104
@_license = dso_local global [4 x i8] c"GPL\00", section "license"
@_syscast = dso_local constant [4 x i8] c"meta", section ".syscast", align 1
@"llvm.21:0:8$0:0" = external global i64, !llvm.preserve.access.index !118 #1
@"llvm.19:0:8$0:0" = external global i64, !llvm.preserve.access.index !122 #1
@"llvm.bpf_func_id:10:1$1" = external global i64, !llvm.preserve.access.index !126 #1
@"llvm.bpf_func_id:10:1$0" = external global i64, !llvm.preserve.access.index !126 #1
define i32 @"probe"(ptr %ctx) #0 section "fentry/inet_listen" !dbg !109 {
start:
  %s0 = alloca i32, align 8
  %s1 = alloca ptr, align 8
  %s2 = alloca i64, align 8
  %s3 = alloca ptr, align 8
  %s4 = alloca i64, align 8
  %s5 = alloca i64, align 8
  %s6 = alloca i64, align 8
  %s7 = alloca i32, align 8
  br label %"arguments"
"arguments":
  %r112 = bitcast ptr %ctx to ptr, !dbg !112
  %r0 = load ptr, ptr %r112, align 8, !dbg !112
  %t1 = getelementptr i8, ptr %r112, i64 8, !dbg !112
  %r113 = load i32, ptr %t1, align 4, !dbg !112
  br label %"task", !dbg !112
"task":
  %r111 = call i64 inttoptr (i64 14 to ptr)(), !dbg !113
  store i64 %r111, ptr %s4, !dbg !113
  br label %"ledger", !dbg !113
"ledger":
  store i32 0, ptr %s0, !dbg !112
  %r99 = bitcast ptr @"ledger" to ptr, !dbg !112
  %r100 = bitcast ptr %s0 to ptr, !dbg !112
  %r101 = call ptr inttoptr (i64 1 to ptr)(ptr %r99, ptr %r100), !dbg !112
  %r102 = icmp eq ptr %r101, null, !dbg !112
  br i1 %r102, label %"no_row", label %"ran", !dbg !112
"ran":
  store ptr %r101, ptr %s1, !dbg !112
  store i64 0, ptr %s2, !dbg !112
  %r103 = load ptr, ptr %s1, !dbg !112
  %r104 = load i64, ptr %r103, align 8, !dbg !112
  %r105 = add i64 %r104, 1, !dbg !112
  store i64 %r105, ptr %r103, align 8, !dbg !112
  br label %"entry", !dbg !112
"no_row":
  ret i32 0, !dbg !112
"entry":
  %r1 = sext i32 %r113 to i64, !dbg !114
  %r4 = getelementptr i8, ptr @syscast_config, i64 20, !dbg !115
  %r5 = load i32, ptr %r4, align 4, !dbg !115
  %r6 = and i32 %r5, 32, !dbg !115
  %r7 = icmp ne i32 %r6, 0, !dbg !115
  br i1 %r7, label %"sampling", label %"kept", !dbg !115
"sampling":
  store i32 0, ptr %s0, !dbg !115
  %r8 = bitcast ptr @"control" to ptr, !dbg !115
  %r9 = bitcast ptr %s0 to ptr, !dbg !115
  %r10 = call ptr inttoptr (i64 1 to ptr)(ptr %r8, ptr %r9), !dbg !115
  %r11 = icmp eq ptr %r10, null, !dbg !115
  br i1 %r11, label %"kept", label %"one_in", !dbg !115
"one_in":
  %t2 = getelementptr i8, ptr %r10, i64 8, !dbg !115
  %r12 = load i32, ptr %t2, align 4, !dbg !115
  %r13 = zext i32 %r12 to i64, !dbg !115
  %r14 = load ptr, ptr %s1, !dbg !115
  %t3 = getelementptr i8, ptr %r14, i64 24, !dbg !115
  %r15 = load i64, ptr %t3, align 8, !dbg !115
  %t4 = getelementptr i8, ptr %r14, i64 64, !dbg !115
  %r16 = load i64, ptr %t4, align 8, !dbg !115
  %t5 = getelementptr i8, ptr %r14, i64 56, !dbg !115
  %r17 = load i64, ptr %t5, align 8, !dbg !115
  %r18 = add i64 %r15, %r16, !dbg !115
  %r19 = add i64 %r18, %r17, !dbg !115
  %r20 = mul i64 %r19, 2654435761, !dbg !115
  %r21 = and i64 %r20, 4294967295, !dbg !115
  %r22 = mul i64 %r21, %r13, !dbg !115
  %r23 = lshr i64 %r22, 32, !dbg !115
  %r24 = icmp eq i64 %r23, 0, !dbg !115
  br i1 %r24, label %"kept", label %"out", !dbg !115
"out":
  %r25 = load ptr, ptr %s1, !dbg !115
  %t6 = getelementptr i8, ptr %r25, i64 64, !dbg !115
  %r26 = load i64, ptr %t6, align 8, !dbg !115
  %r27 = add i64 %r26, 1, !dbg !115
  %t7 = getelementptr i8, ptr %r25, i64 64, !dbg !115
  store i64 %r27, ptr %t7, align 8, !dbg !115
  store i64 1, ptr %s2, !dbg !115
  br label %"after", !dbg !115
"kept":
  %r114 = icmp eq ptr %r0, null, !dbg !115
  br i1 %r114, label %"raise0", label %"ok", !dbg !115
"ok":
  %t8 = load i64, ptr @"llvm.21:0:8$0:0", !dbg !115
  %t9 = getelementptr i8, ptr %r0, i64 %t8, !dbg !115
  %t10 = call ptr @llvm.bpf.passthrough.p0.p0(i32 1, ptr %t9), !dbg !115
  %r2 = load ptr, ptr %t10, align 8, !dbg !115
  %r115 = icmp eq ptr %r2, null, !dbg !115
  br i1 %r115, label %"raise0", label %"ok.1", !dbg !115
"ok.1":
  %t11 = load i64, ptr @"llvm.19:0:8$0:0", !dbg !115
  %t12 = getelementptr i8, ptr %r2, i64 %t11, !dbg !115
  %t13 = call ptr @llvm.bpf.passthrough.p0.p0(i32 2, ptr %t12), !dbg !115
  %r3 = load i16, ptr %t13, align 2, !dbg !115
  %t14 = load i64, ptr @"llvm.bpf_func_id:10:1$1", !dbg !113
  %t15 = call i64 @llvm.bpf.passthrough.i64.i64(i32 3, i64 %t14), !dbg !113
  %r28 = icmp ne i64 %t15, 0, !dbg !113
  br i1 %r28, label %"ring", label %"staged", !dbg !113
"ring":
  %r29 = getelementptr i8, ptr @syscast_config, i64 20, !dbg !113
  %r30 = load i32, ptr %r29, align 4, !dbg !113
  %r31 = and i32 %r30, 8, !dbg !113
  %r32 = icmp ne i32 %r31, 0, !dbg !113
  br i1 %r32, label %"own", label %"shared", !dbg !113
"shared":
  %r33 = and i32 %r30, 16, !dbg !113
  %r34 = icmp eq i32 %r33, 0, !dbg !113
  br i1 %r34, label %"one", label %"auto", !dbg !113
"auto":
  store i32 0, ptr %s0, !dbg !113
  %r35 = bitcast ptr @"control" to ptr, !dbg !113
  %r36 = bitcast ptr %s0 to ptr, !dbg !113
  %r37 = call ptr inttoptr (i64 1 to ptr)(ptr %r35, ptr %r36), !dbg !113
  %r38 = icmp eq ptr %r37, null, !dbg !113
  br i1 %r38, label %"one", label %"control", !dbg !113
"control":
  %t16 = getelementptr i8, ptr %r37, i64 12, !dbg !113
  %r39 = load i32, ptr %t16, align 4, !dbg !113
  %r40 = icmp ne i32 %r39, 0, !dbg !113
  br i1 %r40, label %"own", label %"one", !dbg !113
"own":
  %r41 = call i64 inttoptr (i64 8 to ptr)(), !dbg !113
  %r42 = trunc i64 %r41 to i32, !dbg !113
  store i32 %r42, ptr %s0, !dbg !113
  %r43 = bitcast ptr @"shards" to ptr, !dbg !113
  %r44 = bitcast ptr %s0 to ptr, !dbg !113
  %r45 = call ptr inttoptr (i64 1 to ptr)(ptr %r43, ptr %r44), !dbg !113
  %r46 = icmp eq ptr %r45, null, !dbg !113
  br i1 %r46, label %"one", label %"shard", !dbg !113
"shard":
  %r47 = call ptr inttoptr (i64 131 to ptr)(ptr %r45, i64 72, i64 0), !dbg !113
  store ptr %r47, ptr %s3, !dbg !113
  br label %"record", !dbg !113
"one":
  %r48 = bitcast ptr @"events" to ptr, !dbg !113
  %r49 = call ptr inttoptr (i64 131 to ptr)(ptr %r48, i64 72, i64 0), !dbg !113
  store ptr %r49, ptr %s3, !dbg !113
  br label %"record", !dbg !113
"staged":
  store i32 0, ptr %s0, !dbg !113
  %r50 = bitcast ptr @"scratch" to ptr, !dbg !113
  %r51 = bitcast ptr %s0 to ptr, !dbg !113
  %r52 = call ptr inttoptr (i64 1 to ptr)(ptr %r50, ptr %r51), !dbg !113
  %r53 = bitcast ptr %r52 to ptr, !dbg !113
  store ptr %r53, ptr %s3, !dbg !113
  br label %"record", !dbg !113
"record":
  %r54 = load ptr, ptr %s3, !dbg !113
  %r55 = icmp eq ptr %r54, null, !dbg !113
  br i1 %r55, label %"full", label %"fill", !dbg !113
"fill":
  %t17 = getelementptr i8, ptr %r54, i64 56, !dbg !113
  store i16 %r3, ptr %t17, align 2, !dbg !113
  %t18 = getelementptr i8, ptr %r54, i64 58, !dbg !113
  store i16 0, ptr %t18, align 2, !dbg !113
  %t19 = getelementptr i8, ptr %r54, i64 60, !dbg !113
  store i32 0, ptr %t19, align 4, !dbg !113
  %t20 = getelementptr i8, ptr %r54, i64 64, !dbg !113
  store i64 %r1, ptr %t20, align 8, !dbg !113
  %r56 = load ptr, ptr %s1, !dbg !113
  %t21 = getelementptr i8, ptr %r56, i64 24, !dbg !113
  %r57 = load i64, ptr %t21, align 8, !dbg !113
  %r58 = add i64 %r57, 1, !dbg !113
  %t22 = getelementptr i8, ptr %r56, i64 24, !dbg !113
  store i64 %r58, ptr %t22, align 8, !dbg !113
  %t23 = getelementptr i8, ptr %r54, i64 8, !dbg !113
  store i64 %r57, ptr %t23, align 8, !dbg !113
  %r59 = load i64, ptr %s4, !dbg !113
  %r60 = lshr i64 %r59, 32, !dbg !113
  %r61 = trunc i64 %r60 to i32, !dbg !113
  %t24 = getelementptr i8, ptr %r54, i64 24, !dbg !113
  store i32 %r61, ptr %t24, align 4, !dbg !113
  %r62 = trunc i64 %r59 to i32, !dbg !113
  %t25 = getelementptr i8, ptr %r54, i64 28, !dbg !113
  store i32 %r62, ptr %t25, align 4, !dbg !113
  %t26 = getelementptr i8, ptr %r54, i64 32, !dbg !113
  store i16 1, ptr %t26, align 2, !dbg !113
  %t27 = getelementptr i8, ptr %r54, i64 34, !dbg !113
  store i16 0, ptr %t27, align 2, !dbg !113
  %t28 = load i64, ptr @"llvm.bpf_func_id:10:1$0", !dbg !113
  %t29 = call i64 @llvm.bpf.passthrough.i64.i64(i32 4, i64 %t28), !dbg !113
  %r63 = icmp ne i64 %t29, 0, !dbg !113
  br i1 %r63, label %"boot", label %"monotonic", !dbg !113
"boot":
  %r64 = call i64 inttoptr (i64 125 to ptr)(), !dbg !113
  store i64 %r64, ptr %s5, !dbg !113
  br label %"time", !dbg !113
"monotonic":
  %r65 = call i64 inttoptr (i64 5 to ptr)(), !dbg !113
  store i64 %r65, ptr %s5, !dbg !113
  br label %"time", !dbg !113
"time":
  %r66 = load i64, ptr %s5, !dbg !113
  store i64 %r66, ptr %r54, align 8, !dbg !113
  %r67 = call i64 inttoptr (i64 80 to ptr)(), !dbg !113
  %t30 = getelementptr i8, ptr %r54, i64 16, !dbg !113
  store i64 %r67, ptr %t30, align 8, !dbg !113
  %r68 = call i64 inttoptr (i64 8 to ptr)(), !dbg !113
  %r69 = trunc i64 %r68 to i32, !dbg !113
  %t31 = getelementptr i8, ptr %r54, i64 36, !dbg !113
  store i32 %r69, ptr %t31, align 4, !dbg !113
  %r70 = getelementptr i8, ptr %r54, i64 40, !dbg !113
  call void @llvm.memset.p0.i64(ptr align 8 %r70, i8 0, i64 16, i1 false), !dbg !113
  call i64 inttoptr (i64 16 to ptr)(ptr %r70, i64 16), !dbg !113
  %t32 = load i64, ptr @"llvm.bpf_func_id:10:1$1", !dbg !113
  %t33 = call i64 @llvm.bpf.passthrough.i64.i64(i32 5, i64 %t32), !dbg !113
  %r71 = icmp ne i64 %t33, 0, !dbg !113
  br i1 %r71, label %"submit", label %"output", !dbg !113
"submit":
  store i64 0, ptr %s6, !dbg !113
  %r72 = getelementptr i8, ptr @syscast_config, i64 20, !dbg !113
  %r73 = load i32, ptr %r72, align 4, !dbg !113
  %r74 = and i32 %r73, 4, !dbg !113
  %r75 = icmp ne i32 %r74, 0, !dbg !113
  br i1 %r75, label %"ask", label %"told", !dbg !113
"ask":
  store i32 0, ptr %s0, !dbg !113
  %r76 = bitcast ptr @"control" to ptr, !dbg !113
  %r77 = bitcast ptr %s0 to ptr, !dbg !113
  %r78 = call ptr inttoptr (i64 1 to ptr)(ptr %r76, ptr %r77), !dbg !113
  %r79 = icmp eq ptr %r78, null, !dbg !113
  br i1 %r79, label %"wake", label %"control.1", !dbg !113
"control.1":
  %r80 = load i64, ptr %r78, align 8, !dbg !113
  %r81 = load i64, ptr %r54, align 8, !dbg !113
  %r82 = icmp ult i64 %r81, %r80, !dbg !113
  br i1 %r82, label %"promised", label %"wake", !dbg !113
"promised":
  store i64 1, ptr %s6, !dbg !113
  br label %"wake", !dbg !113
"told":
  %r83 = and i32 %r73, 1, !dbg !113
  %r84 = icmp ne i32 %r83, 0, !dbg !113
  br i1 %r84, label %"flag", label %"next", !dbg !113
"flag":
  store i64 2, ptr %s6, !dbg !113
  br label %"next", !dbg !113
"next":
  %r85 = and i32 %r73, 2, !dbg !113
  %r86 = icmp ne i32 %r85, 0, !dbg !113
  br i1 %r86, label %"flag.1", label %"next.1", !dbg !113
"flag.1":
  store i64 1, ptr %s6, !dbg !113
  br label %"next.1", !dbg !113
"next.1":
  br label %"wake", !dbg !113
"wake":
  %r87 = load i64, ptr %s6, !dbg !113
  call i64 inttoptr (i64 132 to ptr)(ptr %r54, i64 %r87), !dbg !113
  br label %"sent", !dbg !113
"output":
  %r88 = bitcast ptr @"events" to ptr, !dbg !113
  %r89 = bitcast ptr %ctx to ptr, !dbg !113
  %r90 = call i64 inttoptr (i64 25 to ptr)(ptr %r89, ptr %r88, i64 4294967295, ptr %r54, i64 72), !dbg !113
  %r91 = trunc i64 %r90 to i32, !dbg !113
  %r92 = icmp slt i32 %r91, 0, !dbg !113
  br i1 %r92, label %"lost", label %"sent", !dbg !113
"full":
  %r93 = load ptr, ptr %s1, !dbg !113
  %t34 = getelementptr i8, ptr %r93, i64 24, !dbg !113
  %r94 = load i64, ptr %t34, align 8, !dbg !113
  %r95 = add i64 %r94, 1, !dbg !113
  %t35 = getelementptr i8, ptr %r93, i64 24, !dbg !113
  store i64 %r95, ptr %t35, align 8, !dbg !113
  br label %"lost", !dbg !113
"lost":
  %r96 = load ptr, ptr %s1, !dbg !113
  %t36 = getelementptr i8, ptr %r96, i64 32, !dbg !113
  %r97 = load i64, ptr %t36, align 8, !dbg !113
  %r98 = add i64 %r97, 1, !dbg !113
  %t37 = getelementptr i8, ptr %r96, i64 32, !dbg !113
  store i64 %r98, ptr %t37, align 8, !dbg !113
  br label %"sent", !dbg !113
"sent":
  store i64 1, ptr %s2, !dbg !113
  br label %"after", !dbg !113
"after":
  br label %"finish", !dbg !113
"finish":
  %r106 = load i64, ptr %s2, !dbg !113
  %r107 = icmp eq i64 %r106, 0, !dbg !113
  br i1 %r107, label %"silent", label %"done", !dbg !113
"silent":
  %r108 = load ptr, ptr %s1, !dbg !113
  %t38 = getelementptr i8, ptr %r108, i64 8, !dbg !113
  %r109 = load i64, ptr %t38, align 8, !dbg !113
  %r110 = add i64 %r109, 1, !dbg !113
  %t39 = getelementptr i8, ptr %r108, i64 8, !dbg !113
  store i64 %r110, ptr %t39, align 8, !dbg !113
  br label %"done", !dbg !113
"done":
  ret i32 0, !dbg !113
"raise0":
  store i32 0, ptr %s7, !dbg !115
  br label %"raised", !dbg !115
"raised":
  %r116 = load i32, ptr %s7, !dbg !115
  store i32 %r116, ptr %s0, !dbg !115
  %r117 = bitcast ptr @"raised" to ptr, !dbg !115
  %r118 = bitcast ptr %s0 to ptr, !dbg !115
  %r119 = call ptr inttoptr (i64 1 to ptr)(ptr %r117, ptr %r118), !dbg !115
  %r120 = icmp eq ptr %r119, null, !dbg !115
  br i1 %r120, label %"end", label %"counter", !dbg !115
"counter":
  %r121 = load i64, ptr %r119, align 8, !dbg !115
  %r122 = add i64 %r121, 1, !dbg !115
  store i64 %r122, ptr %r119, align 8, !dbg !115
  br label %"end", !dbg !115
"end":
  %r123 = load ptr, ptr %s1, !dbg !115
  %t40 = getelementptr i8, ptr %r123, i64 16, !dbg !115
  %r124 = load i64, ptr %t40, align 8, !dbg !115
  %r125 = add i64 %r124, 1, !dbg !115
  %t41 = getelementptr i8, ptr %r123, i64 16, !dbg !115
  store i64 %r125, ptr %t41, align 8, !dbg !115
  ret i32 0, !dbg !115
}
declare i64 @llvm.bpf.passthrough.i64.i64(i32, i64)
declare ptr @llvm.bpf.passthrough.p0.p0(i32, ptr)
declare i16 @llvm.bswap.i16(i16)
declare i32 @llvm.bswap.i32(i32)
declare i64 @llvm.bswap.i64(i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
attributes #0 = { nounwind null_pointer_is_valid "no-jump-tables"="true" "no-builtins" }
attributes #1 = { "btf_ama" }
attributes #2 = { "btf_type_id" }

!llvm.dbg.cu = !{!1}
!llvm.module.flags = !{!128, !129}
!0 = !DIFile(filename: "probe.py", directory: "", source: "def probe(sock, backlog):\0A    port = sock.sk.num\0A    return Listen(port=port)\0A")
!1 = distinct !DICompileUnit(language: DW_LANG_C99, file: !0, producer: "syscast", isOptimized: true, emissionKind: FullDebug, globals: !127)
!2 = !DISubrange(count: 27)
!3 = !DIBasicType(name: "int", size: 32, encoding: DW_ATE_signed)
!4 = !{!2}
!5 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 864, elements: !4)
!6 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !5, size: 64)
!7 = !DISubrange(count: 4194304)
!8 = !{!7}
!9 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 134217728, elements: !8)
!10 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !9, size: 64)
!11 = !DIDerivedType(tag: DW_TAG_member, name: "type", baseType: !6, size: 64, offset: 0)
!12 = !DIDerivedType(tag: DW_TAG_member, name: "max_entries", baseType: !10, size: 64, offset: 64)
!13 = !DIFile(filename: "syscast", directory: "", source: "")
!14 = !{!11, !12}
!15 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 128, elements: !14)
!16 = distinct !DIGlobalVariable(name: "events", scope: !1, file: !0, line: 0, type: !15, isLocal: false, isDefinition: true)
!17 = !DIGlobalVariableExpression(var: !16, expr: !DIExpression())
!18 = !DISubrange(count: 12)
!19 = !{!18}
!20 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 384, elements: !19)
!21 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !20, size: 64)
!22 = !DISubrange(count: 4)
!23 = !{!22}
!24 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 128, elements: !23)
!25 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !24, size: 64)
!26 = !DISubrange(count: 1)
!27 = !{!26}
!28 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 32, elements: !27)
!29 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !28, size: 64)
!30 = !DISubrange(count: 4096)
!31 = !{!30}
!32 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 131072, elements: !31)
!33 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !32, size: 64)
!34 = !DIDerivedType(tag: DW_TAG_member, name: "max_entries", baseType: !33, size: 64, offset: 64)
!35 = !{!11, !34}
!36 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 128, elements: !35)
!37 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !36, size: 64)
!38 = !DISubrange(count: 0)
!39 = !{!38}
!40 = !DICompositeType(tag: DW_TAG_array_type, baseType: !37, size: 0, elements: !39)
!41 = !DIDerivedType(tag: DW_TAG_member, name: "type", baseType: !21, size: 64, offset: 0)
!42 = !DIDerivedType(tag: DW_TAG_member, name: "key_size", baseType: !25, size: 64, offset: 64)
!43 = !DIDerivedType(tag: DW_TAG_member, name: "max_entries", baseType: !29, size: 64, offset: 128)
!44 = !DIDerivedType(tag: DW_TAG_member, name: "values", baseType: !40, size: 0, offset: 192)
!45 = !{!41, !42, !43, !44}
!46 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 192, elements: !45)
!47 = distinct !DIGlobalVariable(name: "shards", scope: !1, file: !0, line: 0, type: !46, isLocal: false, isDefinition: true)
!48 = !DIGlobalVariableExpression(var: !47, expr: !DIExpression())
!49 = !DISubrange(count: 2)
!50 = !{!49}
!51 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 64, elements: !50)
!52 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !51, size: 64)
!53 = !DISubrange(count: 64)
!54 = !{!53}
!55 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 2048, elements: !54)
!56 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !55, size: 64)
!57 = !DISubrange(count: 1024)
!58 = !{!57}
!59 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 32768, elements: !58)
!60 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !59, size: 64)
!61 = !DIDerivedType(tag: DW_TAG_member, name: "type", baseType: !52, size: 64, offset: 0)
!62 = !DIDerivedType(tag: DW_TAG_member, name: "value_size", baseType: !56, size: 64, offset: 128)
!63 = !DIDerivedType(tag: DW_TAG_member, name: "max_entries", baseType: !29, size: 64, offset: 192)
!64 = !DIDerivedType(tag: DW_TAG_member, name: "map_flags", baseType: !60, size: 64, offset: 256)
!65 = !{!61, !42, !62, !63, !64}
!66 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 320, elements: !65)
!67 = distinct !DIGlobalVariable(name: "control", scope: !1, file: !0, line: 0, type: !66, isLocal: false, isDefinition: true)
!68 = !DIGlobalVariableExpression(var: !67, expr: !DIExpression())
!69 = !DISubrange(count: 6)
!70 = !{!69}
!71 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 192, elements: !70)
!72 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !71, size: 64)
!73 = !DISubrange(count: 80)
!74 = !{!73}
!75 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 2560, elements: !74)
!76 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !75, size: 64)
!77 = !DIDerivedType(tag: DW_TAG_member, name: "type", baseType: !72, size: 64, offset: 0)
!78 = !DIDerivedType(tag: DW_TAG_member, name: "value_size", baseType: !76, size: 64, offset: 128)
!79 = !{!77, !42, !78, !63}
!80 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 256, elements: !79)
!81 = distinct !DIGlobalVariable(name: "ledger", scope: !1, file: !0, line: 0, type: !80, isLocal: false, isDefinition: true)
!82 = !DIGlobalVariableExpression(var: !81, expr: !DIExpression())
!83 = !DISubrange(count: 8)
!84 = !{!83}
!85 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 256, elements: !84)
!86 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !85, size: 64)
!87 = !DIDerivedType(tag: DW_TAG_member, name: "value_size", baseType: !86, size: 64, offset: 128)
!88 = !{!77, !42, !87, !63}
!89 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 256, elements: !88)
!90 = distinct !DIGlobalVariable(name: "raised", scope: !1, file: !0, line: 0, type: !89, isLocal: false, isDefinition: true)
!91 = !DIGlobalVariableExpression(var: !90, expr: !DIExpression())
!92 = !DISubrange(count: 72)
!93 = !{!92}
!94 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 2304, elements: !93)
!95 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !94, size: 64)
!96 = !DIDerivedType(tag: DW_TAG_member, name: "value_size", baseType: !95, size: 64, offset: 128)
!97 = !{!77, !42, !96, !63}
!98 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 256, elements: !97)
!99 = distinct !DIGlobalVariable(name: "scratch", scope: !1, file: !0, line: 0, type: !98, isLocal: false, isDefinition: true)
!100 = !DIGlobalVariableExpression(var: !99, expr: !DIExpression())
!101 = !DIBasicType(name: "unsigned char", size: 8, encoding: DW_ATE_unsigned_char)
!102 = !DICompositeType(tag: DW_TAG_array_type, baseType: !101, size: 512, elements: !54)
!103 = distinct !DIGlobalVariable(name: "syscast_config", scope: !1, file: !0, line: 0, type: !102, isLocal: false, isDefinition: true)
!104 = !DIGlobalVariableExpression(var: !103, expr: !DIExpression())
!105 = !DIBasicType(name: "long", size: 64, encoding: DW_ATE_signed)
!106 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: null, size: 64)
!107 = !{!3, !106}
!108 = !DISubroutineType(types: !107)
!109 = distinct !DISubprogram(name: "probe", scope: !0, file: !0, line: 1, type: !108, scopeLine: 1, flags: DIFlagPrototyped, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !1, retainedNodes: !111)
!110 = !DILocalVariable(name: "ctx", arg: 1, scope: !109, file: !0, line: 1, type: !106)
!111 = !{!110}
!112 = !DILocation(line: 1, column: 1, scope: !109)
!113 = !DILocation(line: 3, column: 5, scope: !109)
!114 = !DILocation(line: 1, column: 5, scope: !109)
!115 = !DILocation(line: 2, column: 5, scope: !109)
!116 = !DIDerivedType(tag: DW_TAG_member, name: "sk", baseType: !106, size: 64, offset: 64)
!117 = !{!116}
!118 = !DICompositeType(tag: DW_TAG_structure_type, name: "socket", file: !13, size: 192, elements: !117)
!119 = !DIBasicType(name: "unsigned short", size: 16, encoding: DW_ATE_unsigned)
!120 = !DIDerivedType(tag: DW_TAG_member, name: "num", baseType: !119, size: 16, offset: 64)
!121 = !{!120}
!122 = !DICompositeType(tag: DW_TAG_structure_type, name: "sock", file: !13, size: 512, elements: !121)
!123 = !DIEnumerator(name: "BPF_FUNC_ktime_get_boot_ns", value: 125, isUnsigned: true)
!124 = !DIEnumerator(name: "BPF_FUNC_ringbuf_reserve", value: 131, isUnsigned: true)
!125 = !{!123, !124}
!126 = !DICompositeType(tag: DW_TAG_enumeration_type, name: "bpf_func_id", size: 32, elements: !125)
!127 = !{!17, !48, !68, !82, !91, !100, !104}
!128 = !{i32 7, !"Dwarf Version", i32 5}
!129 = !{i32 2, !"Debug Info Version", i32 3}
